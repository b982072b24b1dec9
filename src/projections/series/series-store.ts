import { CorruptionError, EngineError } from '../../domain/errors.ts'
import type { BlockStore, BlockTable, PartitionRef } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { BUCKET_MS, dayOfBucket } from './buckets.ts'
import { type BucketEntry, catalogueKey, catalogueRef, decodeEntry, encodeEntry, type FreshRun } from './catalogue.ts'
import type { FlushedOffsets, FlushedRuns } from './flush.ts'
import { type Garbage, sealBucket } from './seal.ts'

/**
 * What the series projection has made durable: catalogue rows, checkpoints, and the list of buckets that are not sealed. It alone
 * changes them, always by compare-and-set: a second projector of the same partition is found out before it does harm.
 */
const encoder = new TextEncoder()
const decoder = new TextDecoder()
const UNSEALED_TABLE = 'unsealed'
export const CHECKPOINT_TABLE = 'checkpoints'

interface Checkpoint {
  readonly offset: Offset
  readonly epoch: number
}

export interface UnsealedBucket {
  readonly bucket: TimestampMs
  readonly partition: number
  /** The oldest offset of the log that only fresh runs hold. */
  readonly first: Offset
  readonly firstArrivalMs: TimestampMs
  readonly lastArrivalMs: TimestampMs
}

export class SeriesStore {
  readonly #store: BlockStore
  readonly #version: number
  readonly #breathe: () => Promise<void>
  readonly #checkpoints = new Map<number, Checkpoint>()
  readonly #unsealed = new Map<string, UnsealedBucket>()

  constructor(store: BlockStore, version: number, breathe: () => Promise<void>) {
    this.#store = store
    this.#version = version
    this.#breathe = breathe
  }

  /** @param rows what to scan: the store, or one that passes over damage */
  async load(partitions: number, rows: Pick<BlockStore, 'scan'> = this.#store): Promise<void> {
    const checkpoints = new Map<string, Uint8Array>()
    for await (const batch of rows.scan(this.#ref(CHECKPOINT_TABLE))) for (const row of batch) checkpoints.set(row.clusteringKey, row.value)
    for (let partition = 0; partition < partitions; partition++) {
      const bytes = checkpoints.get(`${partition}`)
      if (bytes === undefined) continue
      const stored = parse<Checkpoint>(bytes, `checkpoint ${partition}`)
      const taken = { ...stored, epoch: stored.epoch + 1 }
      await this.#swap(this.#ref(CHECKPOINT_TABLE), `${partition}`, bytes, encode(taken))
      this.#checkpoints.set(partition, taken)
    }
    for await (const batch of rows.scan(this.#ref(UNSEALED_TABLE))) {
      for (const row of batch) this.#unsealed.set(row.clusteringKey, parse<UnsealedBucket>(row.value, `unsealed ${row.clusteringKey}`))
    }
  }

  /** Where reading the log goes on. */
  checkpoint(partition: number): Offset {
    return this.#checkpoints.get(partition)?.offset ?? 0
  }

  /** Takes a checkpoint back, whatever its row holds: reading goes on at an earlier offset. */
  async restartAt(partition: number, offset: Offset): Promise<void> {
    const next = { offset, epoch: (this.#checkpoints.get(partition)?.epoch ?? 0) + 1 }
    await this.#store.put([{ ...this.#ref(CHECKPOINT_TABLE), clusteringKey: `${partition}`, value: encode(next) }])
    this.#checkpoints.set(partition, next)
  }

  async saveCheckpoint(partition: number, offset: Offset): Promise<void> {
    const known = this.#checkpoints.get(partition)
    if (known !== undefined && known.offset === offset) return
    const next = { offset, epoch: known?.epoch ?? 1 }
    await this.#swap(this.#ref(CHECKPOINT_TABLE), `${partition}`, known === undefined ? null : encode(known), encode(next))
    this.#checkpoints.set(partition, next)
  }

  /** Buckets with samples that stand in fresh runs only. */
  unsealed(): UnsealedBucket[] {
    return [...this.#unsealed.values()]
  }

  /** The oldest offset that the log must keep for a partition. */
  oldestUnsealed(partition: number): Offset {
    let oldest = this.checkpoint(partition)
    for (const bucket of this.#unsealed.values()) if (bucket.partition === partition) oldest = Math.min(oldest, bucket.first)
    return oldest
  }

  /** Names the runs of a flush in the catalogue. */
  async addFresh(runs: FlushedRuns, offsets: FlushedOffsets, nowMs: TimestampMs): Promise<void> {
    for (const [bucket, partitions] of runs) {
      for (const [partition, run] of partitions) {
        const key = catalogueKey(bucket, partition)
        const known = this.#unsealed.get(key)
        const first = Math.min(known?.first ?? run.first, run.first)
        const unsealed = { bucket, partition, first, firstArrivalMs: known?.firstArrivalMs ?? nowMs, lastArrivalMs: nowMs }
        // Before the catalogue: a crash in between leaves a bucket to be looked at once more, not one that is forgotten.
        await this.#store.put([{ ...this.#ref(UNSEALED_TABLE), clusteringKey: key, value: encode(unsealed) }])
        this.#unsealed.set(key, unsealed)
        await this.#addFreshRun(bucket, partition, run, offsets.get(partition)!.last + 1, nowMs)
      }
    }
  }

  async #addFreshRun(bucket: TimestampMs, partition: number, run: FreshRun, through: Offset, nowMs: TimestampMs): Promise<void> {
    const { bytes, entry } = await this.#entry(bucket, partition)
    const fresh = [...(entry?.fresh ?? []).filter((other) => other.first !== run.first || other.last !== run.last), run]
    const next: BucketEntry = { bucket, partition, through, sealed: entry?.sealed ?? {}, fresh, lastArrivalMs: nowMs }
    await this.#swap(catalogueRef(this.#version, dayOfBucket(bucket)), catalogueKey(bucket, partition), bytes, encodeEntry(next))
  }

  /** Seals one bucket. @returns rows that became garbage, null if there was nothing to do */
  async seal(bucket: TimestampMs, partition: number): Promise<Garbage[] | null> {
    const key = catalogueKey(bucket, partition)
    const { bytes, entry } = await this.#entry(bucket, partition)
    let garbage: Garbage[] | null = null
    if (entry !== null && entry.fresh.length > 0) {
      const sealed = await sealBucket({ version: this.#version, store: this.#store, breathe: this.#breathe }, entry)
      await this.#swap(catalogueRef(this.#version, dayOfBucket(bucket)), key, bytes, encodeEntry(sealed.entry))
      garbage = sealed.garbage
    }
    await this.#store.drop(this.#ref(UNSEALED_TABLE), { from: key, to: `${key}\u0000` })
    this.#unsealed.delete(key)
    return garbage
  }

  /** Buckets whose retention has passed need no sealing. */
  async forgetBefore(time: TimestampMs): Promise<void> {
    for (const [key, { bucket }] of this.#unsealed) {
      if (bucket + BUCKET_MS > time) continue
      await this.#store.drop(this.#ref(UNSEALED_TABLE), { from: key, to: `${key}\u0000` })
      this.#unsealed.delete(key)
    }
  }

  async #entry(bucket: TimestampMs, partition: number): Promise<{ bytes: Uint8Array | null; entry: BucketEntry | null }> {
    const key = catalogueKey(bucket, partition)
    const bytes = await this.#store.get(catalogueRef(this.#version, dayOfBucket(bucket)), key)
    return { bytes, entry: bytes === null ? null : decodeEntry(bytes, key) }
  }

  async #swap(ref: PartitionRef, key: string, expected: Uint8Array | null, next: Uint8Array): Promise<void> {
    if (!(await this.#store.compareAndSet(ref, key, expected, next))) {
      throw new EngineError('FENCED', `${ref.table} row ${key} was changed by another projector of the same data`, { retryable: false })
    }
  }

  #ref(table: BlockTable): PartitionRef {
    return { table, partitionKey: `series/${this.#version}`, dayOf: null }
  }
}

function encode(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value))
}

function parse<T>(bytes: Uint8Array, where: string): T {
  try {
    return JSON.parse(decoder.decode(bytes)) as T // written by `encode`; the store checks its bytes
  } catch (cause) {
    throw new CorruptionError(`the row ${where} can't be read`, { cause })
  }
}
