import type { Labels } from '../domain/labels.ts'
import type { TimestampMs } from '../domain/time.ts'

/** One series of an instant query's vector. */
export interface VectorSample {
  readonly labels: Labels
  readonly value: number
}

/** One series of raw samples, as an instant query of a range selector yields it (staleness markers left out). */
export interface MatrixSeries {
  readonly labels: Labels
  readonly times: Float64Array
  readonly values: Float64Array
}

/** One series of a range query: a value for each step of the shared grid. */
export interface RangeSeries {
  readonly labels: Labels
  readonly values: Float64Array
  /** 1 where there is a point; null: there is one at every step. NaN is a value like others. */
  readonly present: Uint8Array | null
}

export type InstantResult =
  | { readonly type: 'scalar'; readonly timeMs: TimestampMs; readonly value: number }
  | { readonly type: 'string'; readonly timeMs: TimestampMs; readonly value: string }
  | { readonly type: 'vector'; readonly timeMs: TimestampMs; readonly series: readonly VectorSample[] }
  | { readonly type: 'matrix'; readonly series: readonly MatrixSeries[] }

export interface RangeResult {
  readonly type: 'range'
  /** start, start + step, ... <= end; milliseconds. */
  readonly timestamps: Float64Array
  /** In order of their labels. Series without any point are left out. */
  readonly series: readonly RangeSeries[]
}

/** What Prometheus calls warnings and infos: said beside an answer, which stands all the same. */
export interface Annotations {
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}
