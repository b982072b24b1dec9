import { Labels } from '../../src/domain/labels.ts'
import type { Matcher } from '../../src/domain/matcher.ts'
import type { LabelReader } from '../../src/domain/ports/label-reader.ts'
import type { ReadStats, SeriesReader } from '../../src/domain/ports/series-reader.ts'
import type { SeriesColumns } from '../../src/domain/series.ts'
import type { TimeRange } from '../../src/domain/time.ts'
import { compileMatcher } from '../../src/promql/matching.ts'
import { parseMetricSelector } from '../../src/promql/parse/parse.ts'

/** Samples of a series: [milliseconds, value], in ascending time. */
export type Points = readonly (readonly [timeMs: number, value: number])[]

/**
 * A small, real reader over series held in memory, written as people write them:
 * `new MemorySeries({ 'up{job="a"}': [[0, 1], [10_000, 1]] })`. Values keep their bits (staleness markers too).
 */
export class MemorySeries implements SeriesReader, LabelReader {
  readonly #series: SeriesColumns[] = []
  /** How often `select` was called, with what. */
  readonly selected: { matchers: readonly Matcher[]; range: TimeRange }[] = []
  /** How many series a batch has at most. */
  batchSize = 100

  constructor(series: Readonly<Record<string, Points>> = {}) {
    for (const [text, points] of Object.entries(series)) {
      const labels = Labels.fromEntries(parseMetricSelector(text).map(({ name, value }) => [name, value]))
      this.add(labels, points)
    }
  }

  add(labels: Labels, points: Points): void {
    const times = Float64Array.from(points, ([timeMs]) => timeMs)
    this.#series.push({ labels, times, values: Float64Array.from(points, ([, value]) => value) })
  }

  async *select(
    matchers: readonly Matcher[],
    range: TimeRange,
    signal: AbortSignal,
    stats: ReadStats,
  ): AsyncGenerator<readonly SeriesColumns[]> {
    this.selected.push({ matchers, range })
    const found = this.#matching([matchers], range)
    for (let start = 0; start < found.length; start += this.batchSize) {
      if (signal.aborted) return
      const batch = found.slice(start, start + this.batchSize).map((series) => within(series, range))
      stats.seriesMatched += batch.length
      for (const { times } of batch) {
        stats.samplesRead += times.length
        stats.headSamples += times.length
      }
      yield batch
    }
  }

  series(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): Labels[] {
    const labels = this.#matching(selectors, range).map((series) => series.labels)
    return labels.sort((a, b) => (a.toString() < b.toString() ? -1 : 1)).slice(0, limit)
  }

  labelNames(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[] {
    const names = this.#matching(selectors, range).flatMap(({ labels }) => [...labels].map(([name]) => name))
    return [...new Set(names)].sort().slice(0, limit)
  }

  labelValues(name: string, selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[] {
    const values = this.#matching(selectors, range).map(({ labels }) => labels.get(name))
    return [...new Set(values)].filter(Boolean).sort().slice(0, limit)
  }

  #matching(selectors: readonly (readonly Matcher[])[], range: TimeRange | null): SeriesColumns[] {
    const conditions = selectors.map((matchers) => matchers.map((matcher) => ({ name: matcher.name, holds: compileMatcher(matcher) })))
    return this.#series.filter((series) => {
      const isWanted = conditions.length === 0 || conditions.some((all) => all.every(({ name, holds }) => holds(series.labels.get(name))))
      return isWanted && (range === null || within(series, range).times.length > 0)
    })
  }
}

function within({ labels, times, values }: SeriesColumns, { startMs, endMs }: TimeRange): SeriesColumns {
  const start = countUpTo(times, startMs)
  const end = countUpTo(times, endMs)
  return { labels, times: times.subarray(start, end), values: values.subarray(start, end) }
}

function countUpTo(times: Float64Array, timeMs: number): number {
  let count = 0
  while (count < times.length && (times[count] as number) <= timeMs) count++
  return count
}
