import { compareLabels, type Labels } from '../../domain/labels.ts'
import type { Matcher } from '../../domain/matcher.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { LabelReader } from '../../domain/ports/label-reader.ts'
import type { TimeRange } from '../../domain/time.ts'
import type { SeriesMatcher } from './match.ts'
import type { SeriesIndex } from './series-index.ts'

/** Answers what series, label names and values there are, from the shared index. */
export class IndexLabelReader implements LabelReader {
  readonly #index: SeriesIndex
  readonly #matcher: SeriesMatcher
  readonly #clock: Clock
  readonly #retentionMs: number

  constructor(index: SeriesIndex, matcher: SeriesMatcher, clock: Clock, retentionMs: number) {
    this.#index = index
    this.#matcher = matcher
    this.#clock = clock
    this.#retentionMs = retentionMs
  }

  series(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): Labels[] {
    const labels: Labels[] = []
    for (const series of this.#matching(selectors, range)) labels.push(this.#index.labels(series))
    return labels.sort(compareLabels).slice(0, limit)
  }

  labelNames(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[] {
    const { symbols } = this.#index
    const names = new Set<number>()
    if (selectors.length === 0) {
      for (const name of this.#index.nameSymbols()) if (this.#hasLiveValue(name, range)) names.add(name)
    } else {
      for (const series of this.#matching(selectors, range)) for (const name of this.#index.namesOf(series)) names.add(name)
    }
    return [...names]
      .map((name) => symbols.string(name))
      .sort()
      .slice(0, limit)
  }

  labelValues(name: string, selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[] {
    const { symbols } = this.#index
    const symbol = symbols.find(name)
    if (symbol === -1) return []
    const values = new Set<number>()
    if (selectors.length === 0) {
      for (let pair = this.#index.newestPair(symbol); pair !== -1; pair = this.#index.previousPair(pair)) {
        if (this.#isLivePair(pair, range)) values.add(this.#index.pairValue(pair))
      }
    } else {
      for (const series of this.#matching(selectors, range)) {
        const value = this.#index.valueOf(series, symbol)
        if (value !== -1) values.add(value)
      }
    }
    return [...values]
      .map((value) => symbols.string(value))
      .sort()
      .slice(0, limit)
  }

  *#matching(selectors: readonly (readonly Matcher[])[], range: TimeRange | null): IterableIterator<number> {
    const count = this.#index.seriesCount
    const seen = selectors.length > 1 ? new Set<number>() : null
    for (const matchers of selectors.length === 0 ? [[]] : selectors) {
      for (const series of this.#matcher.match(matchers, count)) {
        if (!this.#isLive(series, range) || seen?.has(series)) continue
        seen?.add(series)
        yield series
      }
    }
  }

  /** Whether a series has samples that are kept and may lie in the range. */
  #isLive(series: number, range: TimeRange | null): boolean {
    const oldest = this.#clock.nowMs() - this.#retentionMs
    const max = this.#index.maxTimes[series]
    if (max <= oldest) return false
    return range === null || (max > range.startMs && this.#index.minTimes[series] <= range.endMs)
  }

  #hasLiveValue(name: number, range: TimeRange | null): boolean {
    for (let pair = this.#index.newestPair(name); pair !== -1; pair = this.#index.previousPair(pair))
      if (this.#isLivePair(pair, range)) return true
    return false
  }

  #isLivePair(pair: number, range: TimeRange | null): boolean {
    const postings = new Uint32Array(this.#index.postingsCount(pair))
    const end = this.#index.readPostings(pair, this.#index.seriesCount, postings, 0)
    for (let i = 0; i < end; i++) if (this.#isLive(postings[i], range)) return true
    return false
  }
}
