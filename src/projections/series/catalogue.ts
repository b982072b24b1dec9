import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'

/**
 * Which blocks stand for which bucket: one small row for each (bucket, log partition), replaced whole by compare-and-set. What it does
 * not name does not exist, whatever rows are stored; so a crash between blocks and catalogue leaves nothing half done.
 */
export interface BucketEntry {
  readonly bucket: TimestampMs
  readonly partition: number
  /** Everything of this bucket below this offset stands in the runs. */
  readonly through: Offset
  /** The sealed run of each metric. */
  readonly sealed: Readonly<Record<string, RunPages>>
  /** Fresh runs, oldest first: what came in [first, last] of the log, by metric. */
  readonly fresh: readonly FreshRun[]
  /** When samples last came for this bucket, by the projector's clock. */
  readonly lastArrivalMs: TimestampMs
}

export interface FreshRun {
  readonly first: Offset
  readonly last: Offset
  readonly metrics: Readonly<Record<string, RunPages>>
}

/** Pages of one (metric, bucket, partition): rows `<run>/<page number>`. */
export interface RunPages {
  readonly run: string
  readonly pages: number
  readonly samples: number
  readonly bytes: number
  readonly minTimeMs: TimestampMs
  readonly maxTimeMs: TimestampMs
}

export const RAW_TABLE = 'raw'
export const CATALOGUE_TABLE = 'catalogue'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Where the pages of one (metric, bucket, partition) are. */
export function pagesRef(version: number, metric: string, bucket: TimestampMs, partition: number): PartitionRef {
  return { table: RAW_TABLE, partitionKey: `${version}/${bucket}/${partition}/${metric}`, dayOf: bucket }
}

export function pageKey(run: string, page: number): string {
  return `${run}/${page.toString().padStart(6, '0')}`
}

export function catalogueRef(version: number, day: TimestampMs): PartitionRef {
  return { table: CATALOGUE_TABLE, partitionKey: `${version}`, dayOf: day }
}

export function catalogueKey(bucket: TimestampMs, partition: number): string {
  return `${bucket}/${partition.toString().padStart(4, '0')}`
}

export function encodeEntry(entry: BucketEntry): Uint8Array {
  return encoder.encode(JSON.stringify(entry))
}

export function decodeEntry(bytes: Uint8Array, where: string): BucketEntry {
  try {
    return JSON.parse(decoder.decode(bytes)) as BucketEntry // written by encodeEntry; the store checks its bytes
  } catch (cause) {
    throw new CorruptionError(`the catalogue row ${where} can't be read`, { cause })
  }
}

/** All entries of a day. */
export async function readDay(store: Pick<BlockStore, 'scan'>, version: number, day: TimestampMs): Promise<BucketEntry[]> {
  const entries: BucketEntry[] = []
  for await (const rows of store.scan(catalogueRef(version, day))) {
    for (const row of rows) entries.push(decodeEntry(row.value, `${day}/${row.clusteringKey}`))
  }
  return entries
}

/** Runs of one metric in an entry, sealed first, then fresh by age. */
export function runsOf(entry: BucketEntry, metric: string): RunPages[] {
  const runs: RunPages[] = []
  // hasOwn: a metric may be named like something of Object's.
  if (Object.hasOwn(entry.sealed, metric)) runs.push(entry.sealed[metric])
  for (const fresh of entry.fresh) if (Object.hasOwn(fresh.metrics, metric)) runs.push(fresh.metrics[metric])
  return runs
}
