import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'

/**
 * How far the series projection has made one log partition durable: one small row each, replaced whole by compare-and-set. Whoever takes
 * a partition raises its epoch; a projector that held it before is found out at its next checkpoint, and has done no harm till then.
 */
export interface Checkpoint {
  /** Everything below it stands in blocks. */
  readonly offset: Offset
  readonly epoch: number
  /** Of the session tables as they were at `offset`. */
  readonly sessionsPeriod: number
  /** The log's clock at the newest record below `offset`; null before the first. */
  readonly appendedMs: TimestampMs | null
  /** Buckets with samples that stand in fresh runs only. */
  readonly unsealed: readonly UnsealedBucket[]
  /** What the log had let go of before it was applied, oldest first. */
  readonly gaps: readonly Gap[]
}

export interface UnsealedBucket {
  readonly bucket: TimestampMs
  /** The oldest offset of the log that only fresh runs hold. */
  readonly first: Offset
  readonly firstArrivalMs: TimestampMs
  readonly lastArrivalMs: TimestampMs
}

/** Records [from, to) of a partition were never applied; they came in (startMs, endMs], by the log's clock. `endMs` is Infinity while nothing came after. */
export interface Gap {
  readonly from: Offset
  readonly to: Offset
  readonly startMs: TimestampMs
  readonly endMs: TimestampMs
}

/** Whether a gap is another one, or a part of it. */
export function holds(whole: Gap, part: Gap): boolean {
  return whole.from <= part.from && whole.to >= part.to
}

export const NO_CHECKPOINT: Checkpoint = { offset: 0, epoch: 0, sessionsPeriod: 0, appendedMs: null, unsealed: [], gaps: [] }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export function checkpointsRef(version: number): PartitionRef {
  return { table: 'checkpoints', partitionKey: `series/${version}`, dayOf: null }
}

/** By log partition; those that were never taken are left out. */
export async function readCheckpoints(store: Pick<BlockStore, 'scan'>, version: number): Promise<Map<number, Uint8Array>> {
  const rows = new Map<number, Uint8Array>()
  for await (const batch of store.scan(checkpointsRef(version))) {
    for (const row of batch) rows.set(Number(row.clusteringKey), row.value)
  }
  return rows
}

export function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  return encoder.encode(JSON.stringify(checkpoint))
}

export function decodeCheckpoint(bytes: Uint8Array, partition: number): Checkpoint {
  try {
    return JSON.parse(decoder.decode(bytes)) as Checkpoint // written by encodeCheckpoint; the store checks its bytes
  } catch (cause) {
    throw new CorruptionError(`the checkpoint of partition ${partition} can't be read`, { cause })
  }
}
