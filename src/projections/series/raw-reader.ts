import type { Matcher } from '../../domain/matcher.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { ReadStats, SeriesReader } from '../../domain/ports/series-reader.ts'
import type { SeriesColumns } from '../../domain/series.ts'
import { DAY_MS, HOUR_MS, type TimeRange, type TimestampMs } from '../../domain/time.ts'
import { BUCKET_MS, daysOf } from './buckets.ts'
import { type BucketEntry, type RunPages, readDay, runsOf } from './catalogue.ts'
import { decodeCheckpoint, type Gap, holds, readCheckpoints } from './checkpoints.ts'
import type { Control } from './control.ts'
import type { HeadReader } from './head.ts'
import type { SeriesMatcher } from './match.ts'
import { mergePieces, type Piece, sortAndDedupe, upperBound } from './merge.ts'
import type { PageCache } from './page-cache.ts'
import type { ReaderPin } from './reader-pin.ts'
import type { SeriesIndex } from './series-index.ts'

export interface RawReaderParts {
  readonly control: Control
  readonly index: SeriesIndex
  readonly head: HeadReader
  readonly matcher: SeriesMatcher
  readonly pages: PageCache
  readonly store: Pick<BlockStore, 'scan'>
  readonly clock: Clock
  readonly version: number
  readonly retentionMs: number
  readonly pin: ReaderPin
  /** Of the log. */
  readonly partitions: number
}

/** A reader waits so long for the projector to come up with what is acknowledged; under a flood it answers with what there is. */
const SETTLE_MS_MAX = 200
/** How far around now catalogues are read ahead: over midnight, a quarter of a day before it comes. */
const READ_AHEAD_MS = 6 * HOUR_MS
/** Runs that are opened at once: where the store is elsewhere, one wait for all of them. */
const RUNS_AT_ONCE = 16

/**
 * Reads raw samples: head, fresh and sealed blocks, merged.
 * 0. Let the projector apply what was acknowledged before the question.
 * 1. Pin the head, and only then read the catalogue: what is flushed in between is seen twice and merged, never missed.
 * 2. Match series; leave out those whose samples lie elsewhere.
 * 3. By metric: open the pages of every bucket in the range, collect each series' pieces, add the head's, merge.
 * Series whose times are equal share one array.
 */
export class RawReader implements SeriesReader {
  readonly #parts: RawReaderParts
  /** Of all partitions: what the log had let go of before it was applied; read again when a catalogue has changed. */
  #gaps: { readonly versions: string; readonly gaps: readonly (Gap & { readonly partition: number })[] } = { versions: '', gaps: [] }
  /** By partition and day. */
  readonly #days: Map<TimestampMs, { version: number; entries: BucketEntry[] }>[]
  /** By series: its place in the group that is being read, + 1. Always all zero between groups. */
  #places = new Uint32Array(1024)

  constructor(parts: RawReaderParts) {
    this.#parts = parts
    this.#days = Array.from({ length: parts.partitions }, () => new Map())
  }

  async *select(
    matchers: readonly Matcher[],
    wanted: TimeRange,
    signal: AbortSignal,
    stats: ReadStats,
  ): AsyncIterable<readonly SeriesColumns[]> {
    const { control, index, matcher, clock, retentionMs, pin, partitions } = this.#parts
    const nowMs = clock.nowMs()
    const range = { startMs: Math.max(wanted.startMs, nowMs - retentionMs), endMs: Math.min(wanted.endMs, nowMs + DAY_MS) }
    if (range.endMs <= range.startMs) return
    await control.settle(partitions, SETTLE_MS_MAX, () => clock.monotonicMs())
    pin.enter()
    try {
      const generations = control.readableGenerations()
      const versions = Array.from({ length: partitions }, (_, partition) => control.catalogueVersion(partition))
      const matched = matcher.match(matchers, index.seriesCount)
      const groups = this.#groupByMetric(matched, range)
      await this.#warnOfGaps(range, versions, stats)
      const entries = groups.size === 0 ? [] : await this.#entries(groups, range, versions)
      for (const [metric, series] of groups) {
        signal.throwIfAborted()
        stats.seriesMatched += series.length
        const columns = await this.#readGroup(metric, series, range, generations, entries, stats)
        if (columns.length > 0) yield columns
      }
    } finally {
      pin.leave()
    }
  }

  /**
   * Reads ahead what every query over the last hours needs of the store beside pages, as far as it has changed: with it, what the head
   * alone holds is answered also while the store is away.
   */
  async refresh(): Promise<void> {
    const { control, clock, partitions } = this.#parts
    const nowMs = clock.nowMs()
    const versions = Array.from({ length: partitions }, (_, partition) => control.catalogueVersion(partition))
    await this.#readGaps(versions)
    const days = daysOf({ startMs: nowMs - READ_AHEAD_MS, endMs: nowMs + READ_AHEAD_MS })
    for (const [partition, version] of versions.entries()) await Promise.all(days.map((day) => this.#day(partition, day, version)))
  }

  async #readGaps(versions: readonly number[]): Promise<void> {
    const key = versions.join()
    if (this.#gaps.versions === key) return
    const rows = await readCheckpoints(this.#parts.store, this.#parts.version)
    const gaps = [...rows].flatMap(([partition, bytes]) => decodeCheckpoint(bytes, partition).gaps.map((gap) => ({ ...gap, partition })))
    this.#gaps = { versions: key, gaps }
  }

  /** Which series were in a gap nobody knows: so every answer over its time is warned of. */
  async #warnOfGaps(range: TimeRange, versions: readonly number[], stats: ReadStats): Promise<void> {
    if (stats.warnings === undefined) return
    await this.#readGaps(versions)
    const stored = this.#gaps.gaps
    // What this process has found itself is known before a projector has stored it.
    const found = versions.flatMap((_, partition) => {
      const gap = this.#parts.control.gap(partition)
      const isStored = gap === null || stored.some((known) => known.partition === partition && holds(known, gap))
      return isStored ? [] : [{ ...gap, partition }]
    })
    for (const { partition, from, to, startMs, endMs } of [...stored, ...found]) {
      if (endMs <= range.startMs || startMs > range.endMs) continue
      const start = new Date(startMs).toISOString()
      const time = endMs === Number.POSITIVE_INFINITY ? `after ${start}` : `between ${start} and ${new Date(endMs).toISOString()}`
      stats.warnings.add(`${to - from} records of partition ${partition} of the log were lost ${time}: samples of that time may be missing`)
    }
  }

  #groupByMetric(matched: Uint32Array, range: TimeRange): Map<number, number[]> {
    const { index } = this.#parts
    const name = index.metricNameSymbol
    const groups = new Map<number, number[]>()
    for (const series of matched) {
      if (index.maxTimes[series] <= range.startMs || index.minTimes[series] > range.endMs) continue
      const metric = index.valueOf(series, name)
      const group = groups.get(metric)
      if (group === undefined) groups.set(metric, [series])
      else group.push(series)
    }
    return groups
  }

  /**
   * Catalogue entries that overlap the range, of the partitions that the series stand in, oldest bucket first; a partition's days are read
   * again when its catalogue has changed.
   */
  async #entries(groups: ReadonlyMap<number, readonly number[]>, range: TimeRange, versions: readonly number[]): Promise<BucketEntry[]> {
    const partitions = new Set<number>()
    for (const group of groups.values()) for (const series of group) partitions.add(this.#parts.index.partitions[series])
    const days = daysOf(range)
    const reads = [...partitions].flatMap((partition) => days.map((day) => this.#day(partition, day, versions[partition])))
    const entries = (await Promise.all(reads)).flat()
    return entries
      .filter((entry) => entry.bucket < range.endMs && entry.bucket + BUCKET_MS > range.startMs)
      .sort((a, b) => a.bucket - b.bucket || a.partition - b.partition)
  }

  async #day(partition: number, day: TimestampMs, version: number): Promise<BucketEntry[]> {
    const days = this.#days[partition]
    const known = days.get(day)
    if (known !== undefined && known.version === version) return known.entries
    const entries = await readDay(this.#parts.store, this.#parts.version, partition, day)
    if (days.size > 64) days.clear()
    days.set(day, { version, entries })
    return entries
  }

  async #readGroup(
    metric: number,
    series: readonly number[],
    range: TimeRange,
    generations: readonly number[],
    entries: readonly BucketEntry[],
    stats: ReadStats,
  ): Promise<SeriesColumns[]> {
    const pieces: Piece[][] = series.map(() => [])
    if (metric !== -1) await this.#readBlocks(this.#parts.index.symbols.string(metric), series, range, entries, pieces, stats)
    const columns: SeriesColumns[] = []
    const shared = new SharedTimes()
    for (let i = 0; i < series.length; i++) {
      for (const generation of generations) this.#readHead(generation, series[i], range, pieces[i], stats)
      if (pieces[i].length === 0) continue
      const { times, values } = mergePieces(pieces[i])
      if (times.length === 0) continue
      stats.samplesRead += times.length
      columns.push({ labels: this.#parts.index.labels(series[i]), times: shared.share(times), values })
    }
    return columns
  }

  async #readBlocks(
    metric: string,
    series: readonly number[],
    range: TimeRange,
    entries: readonly BucketEntry[],
    pieces: readonly Piece[][],
    stats: ReadStats,
  ): Promise<void> {
    const { index, pages, version } = this.#parts
    const partitions = new Set(series.map((id) => index.partitions[id]))
    const wanted: { entry: BucketEntry; run: RunPages }[] = []
    for (const entry of entries) {
      if (!partitions.has(entry.partition)) continue
      for (const run of runsOf(entry, metric)) {
        if (run.maxTimeMs > range.startMs && run.minTimeMs <= range.endMs) wanted.push({ entry, run })
      }
    }
    for (let start = 0; start < wanted.length; start += RUNS_AT_ONCE) {
      const some = wanted.slice(start, start + RUNS_AT_ONCE)
      const opened = await Promise.all(
        some.map(({ entry: { bucket, partition }, run }) => pages.pages({ version, metric, bucket, partition, run: run.run }, run, stats)),
      )
      // Without a pause from here on: the places are of this group alone.
      this.#mark(series)
      for (const run of opened) {
        for (const { page, series: ids } of run) {
          for (let chunk = 0; chunk < ids.length; chunk++) {
            const place = this.#places[ids[chunk]]
            if (place > 0) addClipped(pieces[place - 1], page.times(chunk), () => page.values(chunk), range)
          }
        }
      }
      for (const id of series) this.#places[id] = 0
    }
  }

  #mark(series: readonly number[]): void {
    const count = this.#parts.index.seriesCount
    if (this.#places.length < count) this.#places = new Uint32Array(2 * count)
    for (let i = 0; i < series.length; i++) this.#places[series[i]] = i + 1
  }

  #readHead(generation: number, series: number, range: TimeRange, pieces: Piece[], stats: ReadStats): void {
    const { head } = this.#parts
    if (!head.hasSamples(generation, series)) return
    let { times, values } = head.readRange(generation, series, range.startMs, range.endMs)
    // After reading: what makes the order wrong is published before the sample that does.
    if (head.isUnordered(generation, series)) ({ times, values } = sortAndDedupe({ times, values }))
    stats.headSamples += times.length
    addClipped(pieces, times, () => values, range)
  }
}

function addClipped(pieces: Piece[], times: Float64Array, values: () => Float64Array, range: TimeRange): void {
  const length = times.length
  if (length === 0 || times[0] > range.endMs || times[length - 1] <= range.startMs) return
  const start = times[0] > range.startMs ? 0 : upperBound(times, range.startMs)
  const end = times[length - 1] <= range.endMs ? length : upperBound(times, range.endMs)
  if (start === end) return
  const all = values()
  pieces.push(
    start === 0 && end === length
      ? { times, values: all, unordered: false }
      : { times: times.subarray(start, end), values: all.subarray(start, end), unordered: false },
  )
}

/** Gives series with equal times the same array. */
class SharedTimes {
  #recent: Float64Array[] = []

  share(times: Float64Array): Float64Array {
    for (const known of this.#recent) if (known === times || isEqual(known, times)) return known
    if (this.#recent.length >= 4) this.#recent.shift()
    this.#recent.push(times)
    return times
  }
}

function isEqual(a: Float64Array, b: Float64Array): boolean {
  const length = a.length
  if (length !== b.length || a[0] !== b[0] || a[length - 1] !== b[length - 1]) return false
  for (let i = 1; i < length; i++) if (a[i] !== b[i]) return false
  return true
}
