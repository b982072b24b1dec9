import { invariant } from '../../stdx/invariant.ts'
import type { Aggregate, Binary, Call, Expr, Subquery } from '../ast.ts'
import { aggregate } from './aggregate.ts'
import { binary } from './binary.ts'
import { callFunction, scalarTable } from './call.ts'
import { type Context, onGrid } from './context.ts'
import { unwrap } from './invariant.ts'
import { mapValues } from './math-functions.ts'
import { referenceTimes, selectInstant, selectRange, selectTimestamps } from './selector.ts'
import { subqueryGrid } from './subquery.ts'
import { countPoints, emptyTable, makeGrid, type RangeVector, repeatSteps, type Table, type Value } from './table.ts'

/** Evaluates a node at all steps of the context. What it held of the budget beyond its result is given back. */
export function evaluate(expr: Expr, context: Context): Value {
  if (context.grid.count > 1 && context.invariant.has(expr)) return evaluateOnce(expr, context)
  const { budget } = context
  const held = budget.held
  const value = evaluateNode(expr, context)
  if (expr.kind !== 'paren') {
    budget.releaseTo(held)
    budget.hold(sizeOf(value))
  }
  return value
}

function sizeOf(value: Value): number {
  switch (value.kind) {
    case 'scalar':
      return value.values.length
    case 'vector':
      return countPoints(value)
    default:
      return 0
  }
}

/** A node that is the same at all steps: its value at the first, repeated. */
function evaluateOnce(expr: Expr, context: Context): Value {
  const { startMs, count } = context.grid
  const value = evaluateNode(expr, onGrid(context, makeGrid(startMs, startMs, 0)))
  if (value.kind === 'vector') {
    context.budget.hold(value.labels.length * count)
    return repeatSteps(value, count)
  }
  if (value.kind === 'scalar') return { kind: 'scalar', values: new Float64Array(count).fill(value.values[0] as number) }
  return value
}

function evaluateNode(expr: Expr, context: Context): Value {
  switch (expr.kind) {
    case 'number':
      return { kind: 'scalar', values: new Float64Array(context.grid.count).fill(expr.value) }
    case 'string':
      return { kind: 'string', value: expr.value }
    case 'selector':
      return selectInstant(expr, context)
    case 'matrix':
      return selectRange(expr, context)
    case 'subquery':
      return evaluateSubquery(expr, context)
    case 'paren':
      return evaluate(expr.expr, context)
    case 'unary':
      return expr.op === '-' ? negate(evaluate(expr.expr, context)) : evaluate(expr.expr, context)
    case 'binary':
      return evaluateBinary(expr, context)
    case 'aggregate':
      return evaluateAggregate(expr, context)
    case 'call':
      return evaluateCall(expr, context)
  }
}

function negate(value: Value): Value {
  if (value.kind === 'vector') return mapValues(value, (number) => -number)
  if (value.kind === 'scalar') return { kind: 'scalar', values: value.values.map((number) => -number) }
  return value
}

function evaluateBinary(node: Binary, context: Context): Value {
  const left = evaluate(node.left, context)
  const right = evaluate(node.right, context)
  invariant(left.kind === 'scalar' || left.kind === 'vector', 'left operand is neither scalar nor vector')
  invariant(right.kind === 'scalar' || right.kind === 'vector', 'right operand is neither scalar nor vector')
  return binary(node, left, right, context)
}

function evaluateAggregate(node: Aggregate, context: Context): Value {
  const param = node.param === null ? null : evaluate(unwrap(node.param), context)
  const table = evaluate(unwrap(node.expr), context)
  invariant(table.kind === 'vector', 'an aggregation of no vector')
  const parameter = param?.kind === 'scalar' ? param.values : param?.kind === 'string' ? param.value : null
  return aggregate(node, parameter, table, context)
}

/** The inner expression at its own steps; each of its series is then one of samples. */
function evaluateSubquery(node: Subquery, context: Context): RangeVector {
  const ends = referenceTimes(node.at, node.offsetMs, context)
  if (ends.length === 0) return { kind: 'matrix', series: [], ends, rangeMs: node.rangeMs, extension: null }
  const grid = subqueryGrid(node, ends[0] as number, ends[ends.length - 1] as number)
  const value = evaluate(node.expr, onGrid(context, grid))
  const table: Table = value.kind === 'scalar' ? scalarTable(value.values) : value.kind === 'vector' ? value : emptyTable(grid.count)
  return { kind: 'matrix', series: toSeries(table, grid.times), ends, rangeMs: node.rangeMs, extension: null }
}

function toSeries(table: Table, times: Float64Array) {
  const { steps, values, present } = table
  return table.labels.map((labels, row) => {
    const from = row * steps
    let count = 0
    if (present !== null) for (let k = 0; k < steps; k++) count += present[from + k] as number
    if (present === null || count === steps) return { labels, times, values: values.subarray(from, from + steps) }
    const ownTimes = new Float64Array(count)
    const ownValues = new Float64Array(count)
    let i = 0
    for (let k = 0; k < steps; k++) {
      if (present[from + k] === 0) continue
      ownTimes[i] = times[k] as number
      ownValues[i++] = values[from + k] as number
    }
    return { labels, times: ownTimes, values: ownValues }
  })
}

function evaluateCall(node: Call, context: Context): Value {
  const args = node.args.map(unwrap)
  const first = args[0]
  // A selector knows when its samples were taken; any other vector is of the time of evaluation.
  if (node.name === 'timestamp' && first?.kind === 'selector') return selectTimestamps(first, context)
  const values = args.map((arg) => evaluate(arg, context))
  return callFunction(node, args, values, context)
}
