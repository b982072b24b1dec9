import { CorruptionError } from '../../domain/errors.ts'
import { decodeSamplesRecord, SamplesColumns } from '../../domain/events/samples-record.ts'
import { limits } from '../../domain/limits.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { LogRecord } from '../../domain/ports/event-log.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { Offset, PartitionOffsets } from '../../domain/position.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, gauge } from '../../telemetry/metrics.ts'
import { BUCKET_MS, dayOfBucket } from './buckets.ts'
import { pageKey, pagesRef } from './catalogue.ts'
import type { Control } from './control.ts'
import { type FlushedOffsets, type FlushedRuns, flushGeneration } from './flush.ts'
import { Head } from './head.ts'
import type { HeadMemory } from './head-memory.ts'
import { MetadataTable } from './metadata-table.ts'
import { type DamagedRow, keyAfter, passingDamage } from './passing-damage.ts'
import type { Garbage } from './seal.ts'
import { SeriesIndex } from './series-index.ts'
import { loadSeriesDay, partitionOfRow, WrittenDays } from './series-rows.ts'
import { CHECKPOINT_TABLE, SeriesStore } from './series-store.ts'
import { SessionTables, UNDECLARED } from './session-tables.ts'

/** The projection's version: it stands in every key, so that a rebuild can write the next one beside it. */
export const SERIES_VERSION = 1

export interface SeriesProjectionParts {
  readonly memory: HeadMemory
  readonly control: Control
  readonly store: BlockStore
  readonly clock: Clock
  readonly logger: Logger
  readonly breathe: () => Promise<void>
  readonly rawRetentionMs: number
}

const appliedSamples = counter('tidemark_projection_samples_total', 'Samples applied to the head.')
const repeatedSamples = counter(
  'tidemark_projection_repeated_samples_total',
  'Samples dropped since the head held the very same one already.',
)
const badRecords = counter(
  'tidemark_projection_bad_records_total',
  'Records of the log that could not be applied; each is logged with its place.',
)
const undeclaredSamples = counter(
  'tidemark_projection_undeclared_samples_total',
  'Samples left out since the declaration of their series was damaged or is gone.',
)
const gapsFound = counter('tidemark_projection_gaps_total', 'Gaps found in the log: records that were let go of before they were applied.')
const flushes = counter('tidemark_projection_flushes_total', 'Generations of the head written as fresh blocks.')
const sealed = counter('tidemark_projection_sealed_buckets_total', 'Buckets sealed, by log partition counted each.')
const flushFailures = counter('tidemark_projection_flush_failures_total', 'Flushes and seals that failed and are tried again.')

/**
 * Folds `tidemark.samples` into the series tables: head and index in memory, fresh and sealed blocks in the store.
 * - `apply` takes one record; twice equals once.
 * - A flush makes a generation of the head durable, in this order: pages, series and sessions; catalogue; checkpoint. Each step may be
 *   repeated after a crash.
 * - Flushes, seals and expiry run one after the other, beside `apply`, on the same thread.
 */
export class SeriesProjection {
  readonly index: SeriesIndex
  readonly #parts: SeriesProjectionParts
  readonly #head: Head
  readonly #sessions: SessionTables
  readonly #written = new WrittenDays()
  readonly #series: SeriesStore
  readonly #metadata: MetadataTable
  readonly #columns = new SamplesColumns()
  readonly #applied = new Map<number, Offset>()
  /** By partition, the oldest day whose list of series is damaged. */
  readonly #hiddenSince = new Map<number, TimestampMs>()
  #garbage: { garbage: Garbage[]; epoch: number }[] = []
  #lastFlushMs: TimestampMs
  #lastExpiryMs = Number.NEGATIVE_INFINITY
  #maintenance: Promise<unknown> = Promise.resolve()

  constructor(parts: SeriesProjectionParts) {
    this.#parts = parts
    this.index = new SeriesIndex(parts.memory, parts.control)
    this.#head = new Head(parts.memory, parts.control, this.index)
    this.#sessions = new SessionTables(SERIES_VERSION, this.index)
    this.#series = new SeriesStore(parts.store, SERIES_VERSION, parts.breathe)
    this.#metadata = new MetadataTable(SERIES_VERSION)
    this.#lastFlushMs = parts.clock.nowMs()
    const { control } = parts
    const head = this.#head
    gauge('tidemark_head_series', 'Series known to the index.', [], function () {
      this.set(control.seriesCount)
    })
    gauge('tidemark_head_samples', 'Samples in the active generation of the head.', [], function () {
      this.set(head.sampleCount)
    })
  }

  /**
   * Restores index, sessions and metadata. @returns where to read the log from
   * @param starts of the log, by partition: where to begin again when what tells how far it was read is damaged
   */
  async load(starts: PartitionOffsets = new Map()): Promise<Map<number, Offset>> {
    const { store, clock, memory, control, rawRetentionMs } = this.#parts
    const damaged: DamagedRow[] = []
    const rows = passingDamage(store, (error, row) => {
      damaged.push(row)
      this.#parts.logger.error({ error: error.message }, 'the block store is damaged')
    })
    const nowMs = clock.nowMs()
    const { partitions } = memory.limits
    await this.#series.load(partitions, rows)
    for (let day = dayOfBucket(nowMs - rawRetentionMs - BUCKET_MS); day <= nowMs + DAY_MS; day += DAY_MS) {
      await loadSeriesDay(rows, SERIES_VERSION, day, this.index, this.#written)
    }
    await this.#sessions.load(rows)
    await this.#metadata.load(rows)
    for (const row of damaged) {
      if (row.partition.dayOf === null) continue
      const partition = partitionOfRow(row.clusteringKey)
      this.#hiddenSince.set(partition, Math.min(row.partition.dayOf, this.#hiddenSince.get(partition) ?? Number.POSITIVE_INFINITY))
    }
    if (this.#hiddenSince.size > 0) for (let id = 0; id < this.index.seriesCount; id++) this.#mayBeOlder(id)
    await this.#recover(damaged, starts)
    for (let partition = 0; partition < partitions; partition++) {
      const offset = this.#series.checkpoint(partition)
      this.#applied.set(partition, offset)
      control.setApplied(partition, offset)
      control.setDurable(partition, offset, nowMs)
    }
    return new Map(this.#applied)
  }

  /** A damaged row may have held any series of its partition: blocks are looked at for them from its day on. */
  #mayBeOlder(id: number): void {
    const { minTimes, partitions } = this.index
    minTimes[id] = Math.min(minTimes[id], this.#hiddenSince.get(partitions[id]) ?? Number.POSITIVE_INFINITY)
  }

  /**
   * What is kept of no day (checkpoints, sessions, which buckets are unsealed) follows from the log, which holds whatever no sealed block
   * does: so all that it holds is read again, and the damaged rows go. Series of a day whose row is damaged are unknown until they are
   * sent again; that row stays, to be told of at each start.
   */
  async #recover(damaged: readonly DamagedRow[], starts: PartitionOffsets): Promise<void> {
    const { store, memory, logger } = this.#parts
    const derived = damaged.filter(({ partition }) => partition.dayOf === null)
    if (derived.length === 0) return
    logger.warn({ rows: derived.length }, 'all that the log holds is read again, in place of what was damaged')
    // Checkpoints first: a crash in between finds the damage again, not a store that only looks whole.
    for (let partition = 0; partition < memory.limits.partitions; partition++) {
      await this.#series.restartAt(partition, starts.get(partition) ?? 0)
    }
    for (const { partition, clusteringKey } of derived) {
      if (partition.table === CHECKPOINT_TABLE) continue
      await store.drop(partition, { from: clusteringKey, to: keyAfter(clusteringKey) })
    }
  }

  /** Applies records in order; call `publish` on the control block after a batch. */
  async apply(record: LogRecord): Promise<void> {
    const { partition, offset } = record
    if (offset < this.#applied.get(partition)!) return
    let count = 0
    try {
      const decoded = decodeSamplesRecord(record.payload, this.#columns)
      for (const { number, identity, labels } of decoded.declarations) {
        const id = this.index.add(identity, labels, partition)
        this.#sessions.declare(partition, decoded.session, number, id)
        if (this.#hiddenSince.size > 0) this.#mayBeOlder(id)
      }
      if (decoded.declarations.length > 0) this.#parts.control.indexFullness = this.index.fullness()
      this.#metadata.add(decoded.metadata)
      const sent = decoded.sampleCount
      count = this.#sessions.resolve(partition, decoded.session, this.#columns.numbers, sent, record.appendedMs)
      if (count < sent) this.#leaveOutUndeclared(record, decoded.session, sent, count)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      badRecords.inc()
      this.#parts.logger.error({ partition, offset, error: error.message }, 'a record of the log can not be read; it is left out')
      count = 0
    }
    if (count > 0) {
      while (!this.#head.hasRoom(count)) await this.#makeRoom()
      const { numbers, times, valueBits } = this.#columns
      const repeated = this.#head.append(numbers, times, valueBits, count)
      appliedSamples.inc(count)
      if (repeated > 0) repeatedSamples.inc(repeated)
    }
    this.#applied.set(partition, offset + 1)
    this.#parts.control.setApplied(partition, offset + 1)
  }

  /** Where a declaration was damaged, samples that refer to it can't be told apart: only those are lost, not the records they stand in. */
  #leaveOutUndeclared({ partition, offset }: LogRecord, session: string, sent: number, declared: number): void {
    const { numbers, times, valueBits } = this.#columns
    let kept = 0
    for (let i = 0; i < sent; i++) {
      if (numbers[i] === UNDECLARED) continue
      numbers[kept] = numbers[i]
      times[kept] = times[i]
      valueBits[2 * kept] = valueBits[2 * i]
      valueBits[2 * kept + 1] = valueBits[2 * i + 1]
      kept++
    }
    undeclaredSamples.inc(sent - declared)
    this.#parts.logger.error(
      { partition, offset, session, samples: sent - declared },
      'samples refer to series whose declaration the log does not hold; they are left out',
    )
  }

  /** The next offset of a partition to be applied. */
  applied(partition: number): Offset {
    return this.#applied.get(partition) ?? 0
  }

  /** A gap was found: [from, to) of a partition is gone from the log. */
  noteGap(partition: number, from: Offset, to: Offset): void {
    gapsFound.inc()
    this.#parts.logger.error(
      { partition, from, to },
      'records were let go of by the log before they were applied: answers over their time lack samples',
    )
    if (to > this.#applied.get(partition)!) {
      this.#applied.set(partition, to)
      this.#parts.control.setApplied(partition, to)
    }
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
    try {
      if (
        this.#head.sampleCount >= limits.freshFlushSamplesMax ||
        (this.#head.sampleCount > 0 && nowMs - this.#lastFlushMs >= limits.freshFlushMs)
      ) {
        await this.flush()
      }
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
    return this.#metadata.all()
  }

  /** Buckets, by log partition counted each, that have samples in fresh runs. */
  get unsealedCount(): number {
    return this.#series.unsealed().length
  }

  /** By partition, the oldest offset that is not held by a sealed block. */
  oldestUnsealed(): Map<number, Offset> {
    return new Map([...this.#applied.keys()].map((partition) => [partition, this.#series.oldestUnsealed(partition)]))
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#maintenance.then(work, work)
    this.#maintenance = turn.catch(() => {})
    return turn
  }

  #failedFlush: { generation: number; offsets: FlushedOffsets; through: ReadonlyMap<number, Offset> } | null = null

  async #flush(): Promise<void> {
    // A flush that failed is taken up again with the same content, so its keys are the same too.
    if (this.#failedFlush !== null) await this.#store(this.#failedFlush)
    if (this.#head.sampleCount > 0) {
      while (!this.#head.canRotate()) await this.#parts.clock.sleep(5)
      const through = new Map(this.#applied)
      const offsets = new Map(
        [...through].map(([partition, next]) => [partition, { first: this.#series.checkpoint(partition), last: next - 1 }]),
      )
      await this.#store({ generation: this.#head.rotate(), offsets, through })
    }
    this.#lastFlushMs = this.#parts.clock.nowMs()
  }

  async #store(flush: { generation: number; offsets: FlushedOffsets; through: ReadonlyMap<number, Offset> }): Promise<void> {
    this.#failedFlush = flush
    const { store, clock, control, breathe } = this.#parts
    const parts = {
      version: SERIES_VERSION,
      index: this.index,
      head: this.#head.reader,
      written: this.#written,
      put: (rows: Parameters<BlockStore['put']>[0]) => store.put(rows),
      breathe,
    }
    let runs: FlushedRuns
    let stored = false
    try {
      runs = await flushGeneration(parts, flush.generation, flush.offsets)
      await store.put([...this.#sessions.changedRows(), ...this.#metadata.changedRows()])
      stored = true
    } finally {
      for (const table of [this.#sessions, this.#metadata, this.#written]) table.settle(stored)
    }
    await this.#series.addFresh(runs, flush.offsets, clock.nowMs())
    control.bumpCatalogue()
    for (const [partition, offset] of flush.through) await this.#series.saveCheckpoint(partition, offset)
    this.#head.retire(flush.generation)
    this.#failedFlush = null
    flushes.inc()
    await this.#sessions.dropIdle(store)
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
    const garbage = await this.#series.seal(bucket, partition)
    if (garbage === null) return 0
    this.#parts.control.bumpCatalogue()
    this.#garbage.push({ garbage, epoch: this.#parts.control.nextEpoch() })
    sealed.inc()
    return 1
  }

  /** Rows that the catalogue no longer names go when the readers that may have read the old catalogue have left. */
  async #dropGarbage(): Promise<void> {
    const { store, control } = this.#parts
    if (this.#garbage.length === 0) return
    while (this.#garbage.length > 0 && control.hasLeft(this.#garbage[0].epoch)) {
      for (const { bucket, partition, metric, run } of this.#garbage[0].garbage) {
        await store.drop(pagesRef(SERIES_VERSION, metric, bucket, partition), { from: pageKey(run, 0), to: `${run}0` })
      }
      this.#garbage.shift()
      await this.#parts.breathe()
    }
    if (this.#garbage.length === 0) await store.compact()
  }

  async #expire(nowMs: TimestampMs): Promise<void> {
    const oldest = nowMs - this.#parts.rawRetentionMs
    await this.#series.forgetBefore(oldest)
    await this.#parts.store.expire(oldest)
    this.#written.forgetBefore(dayOfBucket(oldest) - DAY_MS)
    this.#lastExpiryMs = nowMs
  }
}
