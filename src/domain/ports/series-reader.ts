import type { Matcher } from '../matcher.ts'
import type { SeriesColumns } from '../series.ts'
import type { TimeRange } from '../time.ts'

/** What a reader did, for a query's stats; added up by the caller. */
export interface ReadStats {
  seriesMatched: number
  samplesRead: number
  headSamples: number
  blocksRead: number
  bytesRead: number
  /** What is known to be missing from what was read, for people; a set, since several selections may find the same. */
  readonly warnings?: Set<string>
}

/** Reads series from one tier, or from all of them merged. */
export interface SeriesReader {
  /**
   * Yields batches of columns: each matching series that has samples in the range once, its samples in time order, values as bits.
   * `range` is half-open as PromQL windows are: (start, end]. The columns stay valid after the next batch is asked for.
   * Ends early when `signal` aborts or when the caller leaves the loop.
   */
  select(matchers: readonly Matcher[], range: TimeRange, signal: AbortSignal, stats: ReadStats): AsyncIterable<readonly SeriesColumns[]>
}
