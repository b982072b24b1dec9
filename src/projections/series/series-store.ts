import { EngineError } from '../../domain/errors.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { invariant } from '../../stdx/invariant.ts'
import { BUCKET_MS, dayOfBucket } from './buckets.ts'
import { type BucketEntry, catalogueKey, catalogueRef, decodeEntry, encodeEntry, type FreshRun } from './catalogue.ts'
import {
  type Checkpoint,
  checkpointsRef,
  decodeCheckpoint,
  encodeCheckpoint,
  type Gap,
  NO_CHECKPOINT,
  type UnsealedBucket,
} from './checkpoints.ts'
import { type Garbage, sealBucket } from './seal.ts'

/** Another projector has taken the partition: what this one holds of it counts for nothing more. */
export class FencedError extends EngineError {
  readonly partition: number

  constructor(partition: number) {
    super('FENCED', `partition ${partition} was taken by another projector of the same data`, { retryable: false })
    this.name = 'FencedError'
    this.partition = partition
  }
}

interface Held {
  checkpoint: Checkpoint
  /** As stored. */
  bytes: Uint8Array
}

/** So many projectors at most change one row at once. */
const TRIES = 8

/**
 * What the series projection has made durable of the log partitions that it holds: catalogue rows and checkpoints. It alone changes
 * them, always by compare-and-set.
 */
export class SeriesStore {
  readonly #store: BlockStore
  readonly #version: number
  readonly #breathe: () => Promise<void>
  readonly #held = new Map<number, Held>()

  constructor(store: BlockStore, version: number, breathe: () => Promise<void>) {
    this.#store = store
    this.#version = version
    this.#breathe = breathe
  }

  /**
   * Takes a partition: whoever held it is fenced off.
   * @throws CorruptionError when its row is damaged; `restart` takes it then
   */
  async take(partition: number): Promise<Checkpoint> {
    for (let tries = 0; tries < TRIES; tries++) {
      const bytes = await this.#store.get(checkpointsRef(this.#version), `${partition}`)
      const stored = bytes === null ? NO_CHECKPOINT : decodeCheckpoint(bytes, partition)
      const checkpoint = { ...stored, epoch: stored.epoch + 1 }
      if (await this.#swap(partition, bytes, checkpoint)) return checkpoint
    }
    throw new EngineError('STORE_BUSY', `the checkpoint of partition ${partition} was changed ${TRIES} times while it was taken`, {
      retryable: true,
    })
  }

  /** Takes a partition whatever its row holds: reading goes on at `offset`. Buckets that were unsealed are found again by reading. */
  async restart(partition: number, offset: Offset): Promise<Checkpoint> {
    // Far beyond any epoch that can have been reached: what the damaged row said is not known.
    const epoch = (this.#held.get(partition)?.checkpoint.epoch ?? 0) + 1_000_000
    const checkpoint = { ...NO_CHECKPOINT, offset, epoch }
    const bytes = encodeCheckpoint(checkpoint)
    await this.#store.put([{ ...checkpointsRef(this.#version), clusteringKey: `${partition}`, value: bytes }])
    this.#held.set(partition, { checkpoint, bytes })
    return checkpoint
  }

  /** Forgets a partition that others hold from now on. */
  release(partition: number): void {
    this.#held.delete(partition)
  }

  holds(partition: number, epoch?: number): boolean {
    const held = this.#held.get(partition)
    return held !== undefined && (epoch === undefined || held.checkpoint.epoch === epoch)
  }

  held(): number[] {
    return [...this.#held.keys()]
  }

  /** Of a partition that is held. */
  checkpoint(partition: number): Checkpoint {
    const held = this.#held.get(partition)
    invariant(held !== undefined, `partition ${partition} is held`)
    return held.checkpoint
  }

  /** Moves a checkpoint on. @throws FencedError */
  async save(partition: number, change: Partial<Checkpoint>): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const held = this.#held.get(partition)
      if (held === undefined) throw new FencedError(partition)
      if (await this.#swap(partition, held.bytes, { ...held.checkpoint, ...change })) return
      // Either another one has taken it, or a write of our own, whose outcome was unknown, has succeeded.
      const bytes = await this.#store.get(checkpointsRef(this.#version), `${partition}`)
      const stored = bytes === null ? null : decodeCheckpoint(bytes, partition)
      if (stored === null || stored.epoch !== held.checkpoint.epoch) throw new FencedError(partition)
      this.#held.set(partition, { checkpoint: held.checkpoint, bytes: bytes! })
    }
    throw new EngineError('STORE_BUSY', `the checkpoint of partition ${partition} could not be replaced`, { retryable: true })
  }

  /** Buckets, by log partition, with samples that stand in fresh runs only. */
  unsealed(): (UnsealedBucket & { readonly partition: number })[] {
    return [...this.#held].flatMap(([partition, { checkpoint }]) => checkpoint.unsealed.map((bucket) => ({ ...bucket, partition })))
  }

  /** The oldest offset that the log must keep for a partition. */
  oldestUnsealed(partition: number): Offset {
    const { offset, unsealed } = this.checkpoint(partition)
    return unsealed.reduce((oldest, bucket) => Math.min(oldest, bucket.first), offset)
  }

  /**
   * Names the fresh runs of one partition in the catalogue, then moves its checkpoint on.
   * @param change of the checkpoint, besides the unsealed buckets
   * @throws FencedError
   */
  async addFresh(
    partition: number,
    runs: ReadonlyMap<TimestampMs, FreshRun>,
    change: { offset: Offset; sessionsPeriod: number; appendedMs: TimestampMs | null; gaps: readonly Gap[] },
    nowMs: TimestampMs,
  ): Promise<void> {
    const unsealed = new Map(this.checkpoint(partition).unsealed.map((known) => [known.bucket, known]))
    let isNew = false
    for (const [bucket, run] of runs) {
      const known = unsealed.get(bucket)
      isNew ||= known === undefined
      const first = Math.min(known?.first ?? run.first, run.first)
      unsealed.set(bucket, { bucket, first, firstArrivalMs: known?.firstArrivalMs ?? nowMs, lastArrivalMs: nowMs })
    }
    const next = [...unsealed.values()]
    // Before the catalogue: a crash in between leaves a bucket to be looked at once more, not one that is forgotten.
    if (isNew) await this.save(partition, { unsealed: next })
    for (const [bucket, run] of runs) {
      await this.#change(bucket, partition, async (entry) => ({
        bucket,
        partition,
        through: Math.max(entry?.through ?? 0, change.offset),
        sealed: entry?.sealed ?? {},
        fresh: [...(entry?.fresh ?? []).filter((other) => other.run !== run.run), run],
        lastArrivalMs: nowMs,
      }))
    }
    const known = this.checkpoint(partition)
    const isSame = runs.size === 0 && known.offset === change.offset && known.gaps.length === change.gaps.length
    if (!isSame) await this.save(partition, { ...change, unsealed: next })
  }

  /** Seals one bucket. @returns rows that became garbage, null if there was nothing to do. @throws FencedError */
  async seal(bucket: TimestampMs, partition: number): Promise<Garbage[] | null> {
    const { epoch } = this.checkpoint(partition)
    let garbage: Garbage[] | null = null
    await this.#change(bucket, partition, async (entry) => {
      garbage = null
      if (entry === null || entry.fresh.length === 0) return null
      const sealed = await sealBucket({ version: this.#version, store: this.#store, breathe: this.#breathe, epoch }, entry)
      garbage = sealed.garbage
      return sealed.entry
    })
    await this.save(partition, { unsealed: this.checkpoint(partition).unsealed.filter((other) => other.bucket !== bucket) })
    return garbage
  }

  /** Buckets whose retention has passed need no sealing, and gaps of that time no telling. */
  async forgetBefore(partition: number, time: TimestampMs): Promise<void> {
    const { unsealed, gaps } = this.checkpoint(partition)
    const kept = { unsealed: unsealed.filter(({ bucket }) => bucket + BUCKET_MS > time), gaps: gaps.filter(({ endMs }) => endMs > time) }
    if (kept.unsealed.length < unsealed.length || kept.gaps.length < gaps.length) await this.save(partition, kept)
  }

  /** Replaces a catalogue row by what follows from it; again from the start when another one was quicker. `null`: as it is. */
  async #change(bucket: TimestampMs, partition: number, change: (entry: BucketEntry | null) => Promise<BucketEntry | null>): Promise<void> {
    const ref = catalogueRef(this.#version, partition, dayOfBucket(bucket))
    const key = catalogueKey(bucket)
    for (let tries = 0; tries < TRIES; tries++) {
      const bytes = await this.#store.get(ref, key)
      const next = await change(bytes === null ? null : decodeEntry(bytes, `${partition}/${key}`))
      if (next === null || (await this.#store.compareAndSet(ref, key, bytes, encodeEntry(next)))) return
    }
    throw new EngineError('STORE_BUSY', `the catalogue row of bucket ${bucket}, partition ${partition}, could not be replaced`, {
      retryable: true,
    })
  }

  async #swap(partition: number, expected: Uint8Array | null, next: Checkpoint): Promise<boolean> {
    const bytes = encodeCheckpoint(next)
    if (!(await this.#store.compareAndSet(checkpointsRef(this.#version), `${partition}`, expected, bytes))) return false
    this.#held.set(partition, { checkpoint: next, bytes })
    return true
  }
}
