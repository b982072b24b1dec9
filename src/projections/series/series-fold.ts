import { CorruptionError } from '../../domain/errors.ts'
import { decodeSamplesRecord, SamplesColumns } from '../../domain/events/samples-record.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { LogRecord } from '../../domain/ports/event-log.ts'
import type { Offset } from '../../domain/position.ts'
import { DAY_MS, type TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, gauge } from '../../telemetry/metrics.ts'
import { BUCKET_MS, dayOfBucket } from './buckets.ts'
import { type Checkpoint, type Gap, holds } from './checkpoints.ts'
import type { Control } from './control.ts'
import { Head } from './head.ts'
import type { HeadMemory } from './head-memory.ts'
import { MetadataTable } from './metadata-table.ts'
import { SeriesIndex } from './series-index.ts'
import { loadSeriesDay, WrittenDays } from './series-rows.ts'
import { SessionTables, UNDECLARED } from './session-tables.ts'

/** The projection's version: it stands in every key, so that a rebuild can write the next one beside it. */
export const SERIES_VERSION = 2

export interface SeriesFoldParts {
  readonly memory: HeadMemory
  readonly control: Control
  readonly logger: Logger
  readonly rawRetentionMs: number
  /** Called when the active generation of the head is full, until it has room. */
  readonly makeRoom: () => Promise<void>
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

/** So many samples are put into the head at once. */
const PART_SAMPLES = 256

interface Position {
  next: Offset
  /** The log's clock at the newest record applied; null before the first. */
  appendedMs: TimestampMs | null
  gaps: Gap[]
  /** Its end in time is known with the next record. */
  openGap: { readonly from: Offset; readonly to: Offset; readonly startMs: TimestampMs | null } | null
}

/**
 * What `tidemark.samples` comes to in memory: head and index, session tables, metadata; of the log partitions that were begun. The
 * projector folds those it owns and writes them to the store; a query process folds all and writes nothing.
 */
export class SeriesFold {
  readonly index: SeriesIndex
  readonly head: Head
  readonly sessions: SessionTables
  readonly metadata = new MetadataTable(SERIES_VERSION)
  readonly written = new WrittenDays()
  readonly #parts: SeriesFoldParts
  readonly #columns = new SamplesColumns()
  readonly #positions = new Map<number, Position>()
  /** By partition, the oldest day whose list of series is damaged. */
  readonly #hiddenSince = new Map<number, TimestampMs>()

  constructor(parts: SeriesFoldParts) {
    this.#parts = parts
    const { control } = parts
    this.index = new SeriesIndex(parts.memory, control)
    const head = new Head(parts.memory, control, this.index)
    this.head = head
    this.sessions = new SessionTables(SERIES_VERSION, this.index)
    gauge('tidemark_head_series', 'Series known to the index.', [], function () {
      this.set(control.seriesCount)
    })
    gauge('tidemark_head_samples', 'Samples in the active generation of the head.', [], function () {
      this.set(head.sampleCount)
    })
  }

  /**
   * Restores a partition as it was at its checkpoint; records from `checkpoint.offset` on may be applied then.
   * @param rows what to scan: the store, or one that passes over damage
   */
  async begin(rows: Pick<BlockStore, 'scan'>, partition: number, checkpoint: Checkpoint, nowMs: TimestampMs): Promise<void> {
    const days: TimestampMs[] = []
    for (let day = dayOfBucket(nowMs - this.#parts.rawRetentionMs - BUCKET_MS); day <= nowMs + DAY_MS; day += DAY_MS) days.push(day)
    await Promise.all(days.map((day) => loadSeriesDay(rows, SERIES_VERSION, partition, day, this.index, this.written)))
    await this.sessions.load(rows, partition, checkpoint.sessionsPeriod)
    this.startAt(partition, checkpoint, nowMs)
  }

  /** Reading of a partition begins at a checkpoint's offset. */
  startAt(partition: number, { offset, appendedMs, gaps }: Checkpoint, nowMs: TimestampMs): void {
    const { control } = this.#parts
    this.#positions.set(partition, { next: offset, appendedMs, gaps: [...gaps], openGap: null })
    control.setApplied(partition, offset)
    control.setDurable(partition, offset, nowMs)
    control.setGap(partition, null)
  }

  /** Lets go of a partition: its records are left out from now on. What the head holds of it stays until its generation goes. */
  end(partition: number): void {
    this.#positions.delete(partition)
    this.sessions.release(partition)
  }

  /** The list of a day's series of a partition is damaged: any series may have been in it, so blocks are looked at from that day on. */
  hideSince(partition: number, day: TimestampMs): void {
    this.#hiddenSince.set(partition, Math.min(day, this.#hiddenSince.get(partition) ?? Number.POSITIVE_INFINITY))
    for (let id = 0; id < this.index.seriesCount; id++) if (this.index.partitions[id] === partition) this.#mayBeOlder(id)
  }

  #mayBeOlder(id: number): void {
    const { minTimes, partitions } = this.index
    minTimes[id] = Math.min(minTimes[id], this.#hiddenSince.get(partitions[id]) ?? Number.POSITIVE_INFINITY)
  }

  /** The next offset of each partition that is folded. */
  positions(): Map<number, Offset> {
    return new Map([...this.#positions].map(([partition, { next }]) => [partition, next]))
  }

  /** Of a partition that is folded: what its next checkpoint says of the log. */
  progress(partition: number): { offset: Offset; appendedMs: TimestampMs | null; gaps: readonly Gap[] } {
    const { next, appendedMs, gaps } = this.#positions.get(partition)!
    return { offset: next, appendedMs, gaps: [...gaps] }
  }

  /** Applies records in order, each partition's own; call `publishApplied` on the control block after a batch. */
  async apply(record: LogRecord): Promise<void> {
    const { partition, offset } = record
    const position = this.#positions.get(partition)
    if (position === undefined || offset < position.next) return
    const count = this.#decode(record)
    const { numbers, times, valueBits } = this.#columns
    // In parts: a head of any size has room for one of them, and what of a record is flushed twice is merged.
    for (let start = 0; start < count; start += PART_SAMPLES) {
      const end = Math.min(count, start + PART_SAMPLES)
      while (!this.head.hasRoom(end - start)) {
        await this.#parts.makeRoom()
        if (this.#positions.get(partition) !== position) return
      }
      const repeated = this.head.append(numbers, times, valueBits, start, end)
      if (repeated > 0) repeatedSamples.inc(repeated)
    }
    if (count > 0) appliedSamples.inc(count)
    if (position.openGap !== null) this.#closeGap(partition, position, record.appendedMs)
    position.next = offset + 1
    position.appendedMs = record.appendedMs
    this.#parts.control.setApplied(partition, offset + 1)
  }

  /** Takes declarations and metadata; leaves the samples in the columns. @returns how many */
  #decode(record: LogRecord): number {
    const { partition, offset } = record
    try {
      const decoded = decodeSamplesRecord(record.payload, this.#columns)
      for (const { number, identity, labels } of decoded.declarations) {
        const id = this.index.add(identity, labels, partition)
        this.sessions.declare(partition, decoded.session, number, id)
        if (this.#hiddenSince.size > 0) this.#mayBeOlder(id)
      }
      if (decoded.declarations.length > 0) this.#parts.control.indexFullness = this.index.fullness()
      this.metadata.add(decoded.metadata)
      const sent = decoded.sampleCount
      const count = this.sessions.resolve(partition, decoded.session, this.#columns.numbers, sent, record.appendedMs)
      if (count < sent) this.#leaveOutUndeclared(record, decoded.session, sent, count)
      return count
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      badRecords.inc()
      this.#parts.logger.error({ partition, offset, error: error.message }, 'a record of the log can not be read; it is left out')
      return 0
    }
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

  /** A gap was found: [from, to) of a partition is gone from the log. */
  noteGap(partition: number, from: Offset, to: Offset): void {
    gapsFound.inc()
    this.#parts.logger.error(
      { partition, from, to },
      'records were let go of by the log before they were applied: answers over their time lack samples',
    )
    const position = this.#positions.get(partition)
    if (position === undefined || to <= position.next) return
    position.openGap = { from: position.openGap?.from ?? from, to, startMs: position.openGap?.startMs ?? position.appendedMs }
    const { startMs } = position.openGap
    // Told of from now on, before any checkpoint says so; of what came before the first record that was applied nothing is known.
    this.#parts.control.setGap(partition, { from: position.openGap.from, to, startMs: startMs ?? 0, endMs: Number.POSITIVE_INFINITY })
    position.next = to
    this.#parts.control.setApplied(partition, to)
  }

  #closeGap(partition: number, position: Position, endMs: TimestampMs): void {
    const { from, to, startMs } = position.openGap!
    // Of what came before the first record that was ever applied, only the end is known.
    position.openGap = null
    // It is found again when what follows it is read again.
    const gap = { from, to, startMs: startMs ?? endMs - this.#parts.rawRetentionMs, endMs }
    this.#parts.control.setGap(partition, gap)
    if (!position.gaps.some((known) => holds(known, gap))) position.gaps.push(gap)
  }
}
