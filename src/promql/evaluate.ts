import type { Matcher } from '../domain/matcher.ts'
import type { SeriesColumns } from '../domain/series.ts'
import type { TimeRange, TimestampMs } from '../domain/time.ts'
import type { Expr, VectorSelector } from './ast.ts'
import type { Annotations, InstantResult, RangeResult } from './result.ts'

/** When an expression is evaluated: at start, start + step, ... <= end. An instant query has start = end and step 0. */
export interface EvalWindow {
  readonly startMs: TimestampMs
  readonly endMs: TimestampMs
  readonly stepMs: number
  readonly lookbackMs: number
}

/** What one selector of an expression needs to read, over all steps: every sample in (startMs, endMs]. */
export interface Selection {
  readonly selector: VectorSelector
  readonly matchers: readonly Matcher[]
  readonly range: TimeRange
}

/** Loaded series by the selector that wants them. */
export type LoadedSeries = ReadonlyMap<VectorSelector, readonly SeriesColumns[]>

export interface EvalLimits {
  /** Samples and points held at once. */
  readonly samplesMax: number
  /** Called now and then in long loops; throws to end the evaluation (time limit, cancellation). */
  readonly checkpoint: () => void
}

// Replaced by the evaluator: `selections`, `evaluateInstant`, `evaluateRange` stand in this file.
export type Selections = (expr: Expr, window: EvalWindow) => Selection[]
export type EvaluateInstant = (
  expr: Expr,
  window: EvalWindow,
  loaded: LoadedSeries,
  limits: EvalLimits,
) => { result: InstantResult } & Annotations
export type EvaluateRange = (
  expr: Expr,
  window: EvalWindow,
  loaded: LoadedSeries,
  limits: EvalLimits,
) => { result: RangeResult } & Annotations
