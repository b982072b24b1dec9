import { Labels } from '../../domain/labels.ts'
import { invariant } from '../../stdx/invariant.ts'
import type { Call, Expr } from '../ast.ts'
import { absentLabels } from './absent.ts'
import type { Context } from './context.ts'
import { histogramFraction, histogramQuantile } from './histogram.ts'
import { labelJoin, labelReplace } from './label-functions.ts'
import { clamp, mapValues, mathFunctions, round, sortByValue, toScalar } from './math-functions.ts'
import { callRangeFunction, invert, isRangeFunction } from './range-functions.ts'
import { dropNames, emptyTable, type RangeVector, type Scalar, type Table, type Value } from './table.ts'
import { dateFunctions } from './time-functions.ts'

/** A function's evaluated arguments, by position. */
class Arguments {
  readonly exprs: readonly Expr[]
  readonly #values: readonly Value[]

  constructor(exprs: readonly Expr[], values: readonly Value[]) {
    this.exprs = exprs
    this.#values = values
  }

  has(index: number): boolean {
    return index < this.#values.length
  }

  vector(index: number): Table {
    const value = this.#values[index]
    invariant(value?.kind === 'vector', 'argument is no vector')
    return value
  }

  scalar(index: number): Float64Array {
    const value = this.#values[index]
    invariant(value?.kind === 'scalar', 'argument is no scalar')
    return value.values
  }

  text(index: number): string {
    const value = this.#values[index]
    invariant(value?.kind === 'string', 'argument is no string')
    return value.value
  }

  texts(from: number): string[] {
    return this.#values.slice(from).map((_, i) => this.text(from + i))
  }

  /** Where the argument that is a range vector stands. */
  get rangeIndex(): number {
    return this.#values.findIndex((value) => value.kind === 'matrix')
  }

  range(index: number): RangeVector {
    const value = this.#values[index]
    invariant(value?.kind === 'matrix', 'argument is no range vector')
    return value
  }
}

type InstantFunction = (args: Arguments, context: Context) => Table | Scalar

const nothing: InstantFunction = (_args, context) => emptyTable(context.grid.count)

const instantFunctions: ReadonlyMap<string, InstantFunction> = new Map(
  Object.entries<InstantFunction>({
    time: (_args, context) => ({ kind: 'scalar', values: context.grid.times.map((time) => time / 1000) }),
    pi: (_args, context) => ({ kind: 'scalar', values: new Float64Array(context.grid.count).fill(Math.PI) }),
    scalar: (args) => ({ kind: 'scalar', values: toScalar(args.vector(0)) }),
    vector: (args) => scalarTable(args.scalar(0)),
    timestamp: (args, context) => stepTimes(args.vector(0), context),
    absent: (args, context) => invert(args.vector(0), absentLabels(args.exprs[0] as Expr), context),
    sort: (args, context) => sort(args, context, false),
    sort_desc: (args, context) => sort(args, context, true),
    round: (args) => round(args.vector(0), args.has(1) ? args.scalar(1) : null),
    clamp: (args) => clamp(args.vector(0), args.scalar(1), args.scalar(2)),
    clamp_min: (args) => clamp(args.vector(0), args.scalar(1), null),
    clamp_max: (args) => clamp(args.vector(0), null, args.scalar(1)),
    label_replace: (args) => labelReplace(args.vector(0), args.text(1), args.text(2), args.text(3), args.text(4)),
    label_join: (args) => labelJoin(args.vector(0), args.text(1), args.text(2), args.texts(3)),
    histogram_quantile: (args, context) => histogramQuantile(args.scalar(0), args.vector(1), placeOf(args, 0), placeOf(args, 1), context),
    histogram_fraction: (args, context) => histogramFraction(args.scalar(0), args.scalar(1), args.vector(2), placeOf(args, 2), context),
    // These look at native histograms only, and samples are numbers.
    histogram_avg: nothing,
    histogram_count: nothing,
    histogram_sum: nothing,
    histogram_stddev: nothing,
    histogram_stdvar: nothing,
  }),
)

function placeOf(args: Arguments, index: number) {
  return (args.exprs[index] as Expr).span
}

/** Calls a function by name. `exprs` are the arguments without needless parentheses, `values` what they evaluated to. */
export function callFunction(node: Call, exprs: readonly Expr[], values: readonly Value[], context: Context): Table | Scalar {
  const args = new Arguments(exprs, values)
  const { name } = node
  if (isRangeFunction(name)) {
    const index = args.rangeIndex
    const other = exprs.length > 1 ? 1 - index : -1
    return callRangeFunction(
      {
        name,
        range: args.range(index),
        rangeExpr: exprs[index] as Expr,
        parameter: other >= 0 ? args.scalar(other) : null,
        parameterExpr: exprs[other] ?? null,
      },
      context,
    )
  }
  const compute = mathFunctions.get(name)
  if (compute !== undefined) return mapValues(args.vector(0), compute)
  const date = dateFunctions.get(name)
  if (date !== undefined) {
    return mapValues(args.has(0) ? args.vector(0) : scalarTable(context.grid.times.map((time) => Math.trunc(time / 1000))), date)
  }
  if (name === 'sort' || name === 'sort_desc') warnOfSort(node, context)
  const instantFunction = instantFunctions.get(name)
  invariant(instantFunction !== undefined, `no function ${name}`)
  return instantFunction(args, context)
}

/** `vector(scalar)`: one series without labels. */
export function scalarTable(values: Float64Array): Table {
  return { kind: 'vector', steps: values.length, labels: [Labels.EMPTY], values: values.slice(), present: null, ordered: false }
}

/** The time of a value that was worked out is the step's. */
function stepTimes(table: Table, context: Context): Table {
  const { times, count } = context.grid
  for (let i = 0; i < table.values.length; i++) table.values[i] = (times[i % count] as number) / 1000
  return dropNames(table)
}

function sort(args: Arguments, context: Context, descending: boolean): Table {
  return context.grid.count === 1 ? sortByValue(args.vector(0), descending) : args.vector(0)
}

function warnOfSort(node: Call, context: Context): void {
  if (context.grid.count === 1) return
  context.annotations.warn('sort is ineffective for range queries since results are always ordered by labels', node.span)
}
