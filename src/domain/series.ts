import type { Labels } from './labels.ts'

/**
 * A loaded series: its samples in columns, in strictly ascending time, one sample per timestamp. Staleness markers are among the
 * values, as bits (see sample.ts). Series that share their timestamps may share the very same `times` array: a reader of many
 * series can compare the reference and do the work on times once.
 */
export interface SeriesColumns {
  readonly labels: Labels
  /** Milliseconds since the epoch. */
  readonly times: Float64Array
  readonly values: Float64Array
}
