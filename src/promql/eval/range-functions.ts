import type { Labels } from '../../domain/labels.ts'
import type { Expr, RangeExtension, Span } from '../ast.ts'
import { PromqlExecutionError } from '../errors.ts'
import { absentLabels } from './absent.ts'
import type { Context } from './context.ts'
import { overTimeFunctions } from './over-time.ts'
import type { RangeFunction, RangeRow } from './range-kernel.ts'
import { rateFunctions } from './rate.ts'
import { regressionFunctions } from './regression.ts'
import { reachBeyond } from './selector.ts'
import { dropNames, emptyTable, type RangeVector, type Table, TableBuilder } from './table.ts'
import { RangeWindows } from './windows.ts'

const rangeFunctions: ReadonlyMap<string, RangeFunction> = new Map(
  Object.entries({ ...rateFunctions, ...regressionFunctions, ...overTimeFunctions }),
)

export function isRangeFunction(name: string): boolean {
  return rangeFunctions.has(name)
}

export interface RangeCall {
  readonly name: string
  readonly range: RangeVector
  readonly rangeExpr: Expr
  /** The scalar argument (quantile, seconds), a value a step. */
  readonly parameter: Float64Array | null
  readonly parameterExpr: Expr | null
}

/** Applies a function over ranges to each series of a range vector, all steps at once. */
export function callRangeFunction(call: RangeCall, context: Context): Table {
  const { name, range, parameter } = call
  const { grid, budget } = context
  const rangeFunction = rangeFunctions.get(name) as RangeFunction
  if (grid.count === 0) return emptyTable(0)
  const { ends, rangeMs, extension } = range
  if (extension !== null) checkExtension(extension, name)
  const kernel = rangeFunction({ stepTimes: grid.times, ends, rangeMs, extension, parameter })
  const { before, after } = reachBeyond(extension, context.lookbackMs)
  const windows = new RangeWindows(after === 0 ? ends : ends.map((end) => end + after), rangeMs + before + after)
  budget.makeRoom(range.series.length * grid.count)
  const builder = new TableBuilder(range.series.length, grid.count)
  const present = new Uint8Array(grid.count)
  const names = new Set<string>()
  for (const { labels, times, values } of range.series) {
    windows.over(times)
    if (windows.total === 0) continue
    budget.reserve(windows.widest)
    const row: RangeRow = {
      times,
      values,
      low: windows.low,
      high: windows.high,
      steps: grid.count,
      total: windows.total,
      widest: windows.widest,
    }
    const count = kernel(row, builder.values, builder.base, present)
    builder.commit(labels, count, present)
    budget.hold(count)
    budget.work(times.length + grid.count)
    if (count > 0) names.add(labels.metric)
  }
  annotate(call, names, builder.points > 0, context)
  const table = builder.build()
  if (name === 'absent_over_time') return invert(table, absentLabels(call.rangeExpr), context)
  // These two are like an offset: what they yield is still a value of the metric.
  return name === 'last_over_time' || name === 'first_over_time' ? table : dropNames(table)
}

/** Extended ranges hold samples beyond their edges, which not every function knows how to treat. */
const extensionSafe: Readonly<Record<RangeExtension, readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
}

function checkExtension(extension: RangeExtension, name: string): void {
  const safe = extensionSafe[extension]
  if (safe.includes(name)) return
  throw new PromqlExecutionError(`${extension} modifier can only be used with: ${safe.join(', ')} - not with ${name}`)
}

/** Where the argument stands; a subquery has no place of its own, and Prometheus then says the beginning. */
function placeOf(expr: Expr): Span {
  return expr.kind === 'subquery' ? { start: 0, end: 0 } : expr.span
}

function annotate(
  { name, rangeExpr, parameter, parameterExpr }: RangeCall,
  metrics: ReadonlySet<string>,
  any: boolean,
  context: Context,
): void {
  if (name === 'rate' || name === 'increase') {
    for (const metric of metrics) {
      if (metric !== '' && !/_(total|sum|count|bucket)$/.test(metric)) context.annotations.possibleNonCounter(metric, placeOf(rangeExpr))
    }
  }
  if (name === 'quantile_over_time' && any && parameter !== null) {
    for (const q of new Set(parameter)) {
      if (!(q >= 0 && q <= 1)) context.annotations.invalidQuantile(q, placeOf(parameterExpr ?? rangeExpr))
    }
  }
}

/** 1 at the steps at which no series has a point. */
export function invert(table: Table, labels: Labels, context: Context): Table {
  const { steps } = table
  const builder = new TableBuilder(1, steps)
  const absent = new Uint8Array(steps).fill(1)
  for (let row = 0; row < table.labels.length; row++) {
    for (let k = 0; k < steps; k++) if (table.present === null || table.present[row * steps + k] === 1) absent[k] = 0
  }
  let count = 0
  for (let k = 0; k < steps; k++) count += absent[k] as number
  builder.values.fill(1)
  builder.commit(labels, count, absent)
  context.budget.hold(count)
  return builder.build()
}
