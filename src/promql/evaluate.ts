import { Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { SeriesColumns } from '../domain/series.ts'
import type { TimeRange, TimestampMs } from '../domain/time.ts'
import type { Expr, VectorSelector } from './ast.ts'
import { PromqlParseError } from './errors.ts'
import { AnnotationCollector } from './eval/annotations.ts'
import { Budget, type Context } from './eval/context.ts'
import { evaluate } from './eval/expression.ts'
import { findInvariant } from './eval/invariant.ts'
import { toRangeSeries, toVectorSamples } from './eval/output.ts'
import { findSelections } from './eval/selections.ts'
import { rawSeries } from './eval/selector.ts'
import { makeGrid, type Value } from './eval/table.ts'
import type { Annotations, InstantResult, RangeResult } from './result.ts'

/*
 * The evaluator: pure and synchronous over columns that are already loaded. A query goes through it in three calls:
 * `selections` says what to read, the caller reads it, `evaluateInstant` or `evaluateRange` works out the answer.
 *
 * It is columnar: each node of the expression is evaluated once, at all steps, into a table of a row a series and a column a step
 * (eval/table.ts). Labels do not change over steps, so grouping, matching and naming are done once a series, and loops over samples
 * touch nothing but typed arrays. An instant query is a range query of one step.
 */

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

/** Loaded series by the selector that wants them. More than was asked for, earlier or later, does no harm. */
export type LoadedSeries = ReadonlyMap<VectorSelector, readonly SeriesColumns[]>

export interface EvalLimits {
  /** Samples and points held at once. */
  readonly samplesMax: number
  /** Called now and then in long loops; throws to end the evaluation (time limit, cancellation). */
  readonly checkpoint: () => void
}

/** What each selector reads, in the order of the text. */
export function selections(expr: Expr, window: EvalWindow): Selection[] {
  return findSelections(expr, window)
}

/**
 * The answer at `window.startMs`. A vector is in order of its labels, unless the expression orders it (sort, topk).
 * @param query the text that `expr` was parsed from, for the places in annotations; '' leaves them out
 * @throws PromqlExecutionError, PromqlLimitError, and what `limits.checkpoint` throws
 */
export function evaluateInstant(
  expr: Expr,
  window: EvalWindow,
  loaded: LoadedSeries,
  limits: EvalLimits,
  query = '',
): { result: InstantResult } & Annotations {
  const context = makeContext(expr, { ...window, endMs: window.startMs, stepMs: 0 }, loaded, limits)
  const value = evaluate(expr, context)
  return { result: instantResult(value, window), ...context.annotations.texts(query) }
}

/**
 * The answer at each step, series in order of their labels; a scalar is a series without labels.
 * @param query the text that `expr` was parsed from, for the places in annotations; '' leaves them out
 * @throws PromqlParseError for a range vector or a string, PromqlExecutionError, PromqlLimitError, and what `limits.checkpoint` throws
 */
export function evaluateRange(
  expr: Expr,
  window: EvalWindow,
  loaded: LoadedSeries,
  limits: EvalLimits,
  query = '',
): { result: RangeResult } & Annotations {
  const context = makeContext(expr, window, loaded, limits)
  const value = evaluate(expr, context)
  const timestamps = context.grid.times.slice()
  const annotations = context.annotations.texts(query)
  switch (value.kind) {
    case 'scalar':
      return {
        result: { type: 'range', timestamps, series: [{ labels: Labels.EMPTY, values: value.values, present: null }] },
        ...annotations,
      }
    case 'vector':
      return { result: { type: 'range', timestamps, series: toRangeSeries(value) }, ...annotations }
    default: {
      const type = value.kind === 'matrix' ? 'range vector' : 'string'
      throw new PromqlParseError(`invalid expression type "${type}" for range query, must be Scalar or instant Vector`, expr.span)
    }
  }
}

function makeContext(expr: Expr, window: EvalWindow, loaded: LoadedSeries, limits: EvalLimits): Context {
  return {
    grid: makeGrid(window.startMs, window.endMs, window.stepMs),
    lookbackMs: window.lookbackMs,
    queryStartMs: window.startMs,
    queryEndMs: window.endMs,
    loaded,
    budget: new Budget(limits),
    annotations: new AnnotationCollector(),
    invariant: findInvariant(expr),
  }
}

function instantResult(value: Value, { startMs: timeMs, lookbackMs }: EvalWindow): InstantResult {
  switch (value.kind) {
    case 'scalar':
      return { type: 'scalar', timeMs, value: value.values[0] as number }
    case 'string':
      return { type: 'string', timeMs, value: value.value }
    case 'vector':
      return { type: 'vector', timeMs, series: toVectorSamples(value) }
    case 'matrix':
      return { type: 'matrix', series: rawSeries(value, lookbackMs) }
  }
}
