import { CorruptionError } from '../../domain/errors.ts'
import { limits } from '../../domain/limits.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { Offset } from '../../domain/position.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter } from '../../telemetry/metrics.ts'
import { BUCKET_MS, dayOfBucket } from './buckets.ts'
import { runRefs } from './catalogue.ts'
import { type Gap, NO_CHECKPOINT } from './checkpoints.ts'
import type { Control } from './control.ts'
import { flushGeneration } from './flush.ts'
import type { HeadMemory } from './head-memory.ts'
import { type DamagedRow, keyAfter, passingDamage } from './passing-damage.ts'
import type { Garbage } from './seal.ts'
import { SERIES_VERSION, SeriesFold } from './series-fold.ts'
import { FencedError, SeriesStore } from './series-store.ts'
import { sessionsPeriodOf, sessionsRef } from './session-tables.ts'

export interface SeriesProjectionParts {
  readonly memory: HeadMemory
  readonly control: Control
  readonly store: BlockStore
  readonly clock: Clock
  readonly logger: Logger
  readonly breathe: () => Promise<void>
  readonly rawRetentionMs: number
}

/** A generation on its way to the store, and what of each partition is in it. */
interface Flush {
  readonly generation: number
  readonly partitions: ReadonlyMap<number, FlushedPartition>
}

interface FlushedPartition {
  readonly epoch: number
  /** Where the part begins that no checkpoint covers. */
  readonly first: Offset
  readonly offset: Offset
  readonly appendedMs: TimestampMs | null
  readonly gaps: readonly Gap[]
}

const flushes = counter('tidemark_projection_flushes_total', 'Generations of the head written as fresh blocks.')
const sealed = counter('tidemark_projection_sealed_buckets_total', 'Buckets sealed, by log partition counted each.')
const flushFailures = counter('tidemark_projection_flush_failures_total', 'Flushes and seals that failed and are tried again.')
const fenced = counter('tidemark_projection_fenced_total', 'Partitions found to have been taken by another projector.')

/**
 * Folds `tidemark.samples` into the series tables, for the log partitions that it has taken: head and index in memory, fresh and sealed
 * blocks in the store.
 * - `fold.apply` takes one record; twice equals once.
 * - A flush makes a generation of the head durable, in this order: pages, series and sessions; catalogue; checkpoint. Each step may be
 *   repeated after a crash.
 * - Flushes, seals and expiry run one after the other, beside `apply`, on the same thread.
 */
export class SeriesProjection {
  readonly fold: SeriesFold
  /** Told of a partition that another projector has taken; set by whoever runs the projection. */
  onLost: (partition: number) => void = () => {}
  readonly #parts: SeriesProjectionParts
  readonly #series: SeriesStore
  #garbage: { garbage: Garbage[]; epoch: number }[] = []
  #lastFlushMs: TimestampMs
  #lastExpiryMs = Number.NEGATIVE_INFINITY
  #maintenance: Promise<unknown> = Promise.resolve()
  #failedFlush: Flush | null = null
  #metadataIsDamaged = false

  constructor(parts: SeriesProjectionParts) {
    this.#parts = parts
    this.fold = new SeriesFold({ ...parts, makeRoom: () => this.#makeRoom() })
    this.#series = new SeriesStore(parts.store, SERIES_VERSION, parts.breathe)
    this.#lastFlushMs = parts.clock.nowMs()
  }

  /** Restores what belongs to no partition. Called once, before any partition is taken. */
  async load(): Promise<void> {
    const damaged: DamagedRow[] = []
    await this.fold.metadata.load(this.#passing(damaged))
    this.#metadataIsDamaged = damaged.length > 0
    await this.#dropDamaged(damaged)
  }

  /**
   * Takes a partition: fences off whoever held it, and restores it as of its checkpoint.
   *
   * What is kept of no day (checkpoint, sessions, metadata) follows from the log, which holds whatever no sealed block does: where that is
   * damaged, all that the log holds is read again, and the damaged rows go. Series of a day whose row is damaged are unknown until they
   * are sent again; that row stays, to be told of at each start.
   * @param start of the partition in the log
   */
  async take(partition: number, start: Offset): Promise<void> {
    const { clock, logger } = this.#parts
    const nowMs = clock.nowMs()
    const damaged: DamagedRow[] = []
    const rows = this.#passing(damaged)
    let checkpoint = NO_CHECKPOINT
    let isDamaged = this.#metadataIsDamaged
    try {
      checkpoint = await this.#series.take(partition)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      logger.error({ error: error.message }, 'the block store is damaged')
      isDamaged = true
      // Which period of the session tables is whole is not known; what is found of the last two helps.
      checkpoint = { ...NO_CHECKPOINT, sessionsPeriod: sessionsPeriodOf(nowMs) }
      await this.fold.sessions.load(rows, partition, checkpoint.sessionsPeriod - 1)
    }
    await this.fold.begin(rows, partition, checkpoint, nowMs)
    for (const row of damaged) if (row.partition.dayOf !== null) this.fold.hideSince(partition, row.partition.dayOf)
    const derived = damaged.filter((row) => row.partition.dayOf === null)
    if (!isDamaged && derived.length === 0) return
    logger.warn({ partition }, 'all that the log holds of the partition is read again, in place of what was damaged')
    // The checkpoint first: a crash in between finds the damage again, not a store that only looks whole.
    this.fold.startAt(partition, await this.#series.restart(partition, start), nowMs)
    await this.#dropDamaged(derived)
  }

  /** Lets go of a partition that others take, or have taken. What was not flushed of it is theirs to read again. */
  release(partition: number): void {
    this.#series.release(partition)
    this.fold.end(partition)
  }

  /** The partitions that are taken. */
  held(): number[] {
    return this.#series.held()
  }

  async #makeRoom(): Promise<void> {
    const { control, clock } = this.#parts
    try {
      await this.flush()
    } catch (error) {
      // At the memory bound with a store that fails: stand still, say so, try again.
      control.stalled = true
      this.#parts.logger.error({ error: String(error) }, 'the head is full and can not be flushed; reading the log stands still')
      await clock.sleep(1000)
      return
    }
    control.stalled = false
  }

  /** Does what is due: flush, seal, expire, drop garbage. Errors of the outside world are logged and tried again the next time. */
  async maintain(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs()
    const { sampleCount } = this.fold.head
    try {
      const isDue = sampleCount >= limits.freshFlushSamplesMax || (sampleCount > 0 && nowMs - this.#lastFlushMs >= limits.freshFlushMs)
      if (isDue || this.#failedFlush !== null) await this.flush()
      await this.#inTurn(() => this.#saveGaps())
      await this.#inTurn(() => this.#sealDue(nowMs))
      await this.#inTurn(() => this.#dropGarbage())
      if (nowMs - this.#lastExpiryMs >= HOUR_MS) await this.#inTurn(() => this.#expire(nowMs))
    } catch (error) {
      flushFailures.inc()
      this.#parts.logger.error({ error: String(error) }, 'writing blocks failed; it is tried again')
    }
  }

  /** Writes all that is in the head to the store and moves the checkpoints on. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#flush())
  }

  /** Flushes and seals every bucket, open ones too. @returns how many were sealed */
  sealAll(): Promise<number> {
    return this.#inTurn(async () => {
      await this.#flush()
      let count = 0
      for (const { bucket, partition } of this.#series.unsealed()) count += await this.#seal(bucket, partition)
      await this.#dropGarbage()
      return count
    })
  }

  metadata(): readonly MetricMetadata[] {
    return this.fold.metadata.all()
  }

  /** Buckets, by log partition counted each, that have samples in fresh runs. */
  get unsealedCount(): number {
    return this.#series.unsealed().length
  }

  /** By partition, the oldest offset that is not held by a sealed block. */
  oldestUnsealed(): Map<number, Offset> {
    return new Map(this.held().map((partition) => [partition, this.#series.oldestUnsealed(partition)]))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#maintenance.then(work, work)
    this.#maintenance = turn.catch(() => {})
    return turn
  }

  async #flush(): Promise<void> {
    const { head } = this.fold
    // A flush that failed is taken up again with the same content, so its keys are the same too.
    if (this.#failedFlush !== null) await this.#store(this.#failedFlush)
    if (head.sampleCount > 0) {
      while (!head.canRotate()) await this.#parts.clock.sleep(5)
      const partitions = new Map<number, FlushedPartition>()
      for (const partition of this.fold.positions().keys()) {
        // Taken, but not begun yet or no more.
        if (!this.#series.holds(partition)) continue
        const { epoch, offset: first } = this.#series.checkpoint(partition)
        partitions.set(partition, { epoch, first, ...this.fold.progress(partition) })
      }
      await this.#store({ generation: head.rotate(), partitions })
    }
    this.#lastFlushMs = this.#parts.clock.nowMs()
  }

  async #store(flush: Flush): Promise<void> {
    this.#failedFlush = flush
    const { store, clock, breathe } = this.#parts
    const { index, head, written, sessions, metadata } = this.fold
    const nowMs = clock.nowMs()
    const period = sessionsPeriodOf(nowMs)
    // What was lost meanwhile is for its new owner to write, also if that is this process again.
    const held = new Map([...flush.partitions].filter(([partition, { epoch }]) => this.#series.holds(partition, epoch)))
    const offsets = new Map([...held].map(([partition, { first, offset, epoch }]) => [partition, { first, last: offset - 1, epoch }]))
    const put = (rows: Parameters<BlockStore['put']>[0]) => store.put(rows)
    let stored = false
    let runs: Awaited<ReturnType<typeof flushGeneration>>
    try {
      runs = await flushGeneration({ version: SERIES_VERSION, index, head: head.reader, written, put, breathe }, flush.generation, offsets)
      await store.put([...sessions.changedRows(new Set(held.keys()), period), ...metadata.changedRows()])
      stored = true
    } finally {
      for (const table of [sessions, metadata, written]) table.settle(stored)
    }
    for (const [partition, { offset, appendedMs, gaps }] of held) {
      await this.#unlessFenced(partition, async () => {
        const before = this.#series.checkpoint(partition).sessionsPeriod
        await this.#series.addFresh(
          partition,
          runs.get(partition) ?? new Map(),
          { offset, sessionsPeriod: period, appendedMs, gaps },
          nowMs,
        )
        this.#parts.control.bumpCatalogue(partition)
        if (before !== period) await store.drop(sessionsRef(SERIES_VERSION, partition, before), { from: '', to: '~' })
      })
    }
    head.retire(flush.generation)
    this.#failedFlush = null
    flushes.inc()
    sessions.dropIdle()
  }

  /** A gap is told of as soon as it is known, not only with the next flush. */
  async #saveGaps(): Promise<void> {
    for (const partition of this.fold.positions().keys()) {
      await this.#unlessFenced(partition, async () => {
        const { gaps } = this.fold.progress(partition)
        if (gaps.length <= this.#series.checkpoint(partition).gaps.length) return
        await this.#series.save(partition, { gaps })
        this.#parts.control.bumpCatalogue(partition)
      })
    }
  }

  async #sealDue(nowMs: TimestampMs): Promise<void> {
    for (const { bucket, partition, firstArrivalMs, lastArrivalMs } of this.#series.unsealed()) {
      const isOver = bucket + BUCKET_MS + limits.sealGraceMs <= nowMs
      // A trickle of late samples must not keep a bucket open for ever.
      const isQuiet = lastArrivalMs + limits.sealGraceMs <= nowMs || firstArrivalMs + DAY_MS <= nowMs
      if (!isOver || !isQuiet) continue
      await this.#seal(bucket, partition)
    }
  }

  async #seal(bucket: TimestampMs, partition: number): Promise<number> {
    let count = 0
    await this.#unlessFenced(partition, async () => {
      const garbage = await this.#series.seal(bucket, partition)
      if (garbage === null) return
      this.#parts.control.bumpCatalogue(partition)
      this.#garbage.push({ garbage, epoch: this.#parts.control.nextEpoch() })
      sealed.inc()
      count = 1
    })
    return count
  }

  /** Rows that the catalogue no longer names go when the readers that may have read the old catalogue have left. */
  async #dropGarbage(): Promise<void> {
    const { store, control } = this.#parts
    if (this.#garbage.length === 0) return
    while (this.#garbage.length > 0 && control.hasLeft(this.#garbage[0].epoch)) {
      for (const { place, pages } of this.#garbage[0].garbage) {
        for (const ref of runRefs(place, pages)) await store.drop(ref, { from: '', to: '~' })
      }
      this.#garbage.shift()
      await this.#parts.breathe()
    }
    if (this.#garbage.length === 0) await store.compact()
  }

  async #expire(nowMs: TimestampMs): Promise<void> {
    const oldest = nowMs - this.#parts.rawRetentionMs
    for (const partition of this.held()) await this.#unlessFenced(partition, () => this.#series.forgetBefore(partition, oldest))
    await this.#parts.store.expire(oldest)
    this.fold.written.forgetBefore(dayOfBucket(oldest) - DAY_MS)
    this.#lastExpiryMs = nowMs
  }

  /** A partition that another projector has taken is let go of; the others go on. */
  async #unlessFenced(partition: number, work: () => Promise<void>): Promise<void> {
    if (!this.#series.holds(partition)) return
    try {
      await work()
    } catch (error) {
      if (!(error instanceof FencedError)) throw error
      fenced.inc()
      this.#parts.logger.warn({ partition }, 'another projector has taken the partition; this one lets go of it')
      this.release(partition)
      this.onLost(partition)
    }
  }

  #passing(damaged: DamagedRow[]): Pick<BlockStore, 'scan'> {
    return passingDamage(this.#parts.store, (error, row) => {
      damaged.push(row)
      this.#parts.logger.error({ error: error.message }, 'the block store is damaged')
    })
  }

  async #dropDamaged(rows: readonly DamagedRow[]): Promise<void> {
    for (const { partition, clusteringKey } of rows) {
      await this.#parts.store.drop(partition, { from: clusteringKey, to: keyAfter(clusteringKey) })
    }
  }
}
