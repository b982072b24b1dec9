import type { Aggregate, AggregateOp } from '../ast.ts'
import { PromqlExecutionError } from '../errors.ts'
import { aggregateQuantile } from './aggregate-quantile.ts'
import type { Context } from './context.ts'
import { countValues } from './count-values.ts'
import { type Groups, groupRows } from './grouping.ts'
import { emptyTable, type Table } from './table.ts'
import { topk } from './topk.ts'

/** The parameter of an aggregation: a number a step, or a label's name. */
export type AggregateParameter = Float64Array | string | null

/** Aggregates rows into groups, all steps at once. */
export function aggregate(node: Aggregate, parameter: AggregateParameter, table: Table, context: Context): Table {
  const rule = { names: node.grouping, without: node.without }
  if (node.op === 'count_values') return countValues(table, String(parameter), rule, context)
  const groups = groupRows(table.labels, rule)
  const numbers = parameter instanceof Float64Array ? parameter : new Float64Array(table.steps)
  switch (node.op) {
    case 'topk':
    case 'bottomk':
      return topk(node.op, numbers, table, groups, context)
    case 'quantile':
      return aggregateQuantile(numbers, node.param?.span ?? node.span, table, groups, context)
    case 'limitk':
    case 'limit_ratio':
      throw new PromqlExecutionError(`${node.op} is experimental and not supported`)
    default:
      return fold(node.op, table, groups, context)
  }
}

/** What a group holds at each step while rows are added: `cells` = groups * steps. */
interface Accumulators {
  readonly value: Float64Array
  readonly count: Float64Array
  /** What rounding lost of `value` (sum, avg) or the mean (stddev, stdvar). */
  readonly extra: Float64Array
}

type AddRow = (acc: Accumulators, to: number, values: Float64Array, from: number, steps: number, present: Uint8Array | null) => void

function fold(
  op: Exclude<AggregateOp, 'topk' | 'bottomk' | 'quantile' | 'limitk' | 'limit_ratio' | 'count_values'>,
  table: Table,
  groups: Groups,
  context: Context,
): Table {
  const { steps } = table
  if (groups.labels.length === 0) return emptyTable(steps)
  const cells = groups.labels.length * steps
  const acc: Accumulators = { value: new Float64Array(cells), count: new Float64Array(cells), extra: new Float64Array(cells) }
  const means = op === 'avg' ? new IncrementalMeans(cells) : null
  const add = means === null ? addRow[op as keyof typeof addRow] : means.add
  for (let row = 0; row < table.labels.length; row++) {
    add(acc, (groups.of[row] as number) * steps, table.values, row * steps, steps, table.present)
    context.budget.work(steps)
  }
  finish(op, acc, means)
  return toTable(groups, steps, acc)
}

/** A group is at a step if one of its rows is. */
function toTable(groups: Groups, steps: number, { value, count }: Accumulators): Table {
  let present: Uint8Array | null = null
  for (let i = 0; i < count.length; i++) {
    if (count[i] !== 0) continue
    present ??= new Uint8Array(count.length).fill(1)
    present[i] = 0
  }
  return { kind: 'vector', steps, labels: groups.labels, values: value, present, ordered: false }
}

const addSum: AddRow = ({ value, count, extra }, to, values, from, steps, present) => {
  for (let k = 0; k < steps; k++) {
    if (present !== null && present[from + k] === 0) continue
    const cell = to + k
    const added = values[from + k] as number
    const sum = value[cell] as number
    const total = sum + added
    if (total === Infinity || total === -Infinity) extra[cell] = 0
    else if (Math.abs(sum) >= Math.abs(added)) extra[cell] = (extra[cell] as number) + (sum - total + added)
    else extra[cell] = (extra[cell] as number) + (added - total + sum)
    value[cell] = total
    count[cell] = (count[cell] as number) + 1
  }
}

const addCount: AddRow = ({ count }, to, _values, from, steps, present) => {
  for (let k = 0; k < steps; k++) {
    if (present !== null && present[from + k] === 0) continue
    count[to + k] = (count[to + k] as number) + 1
  }
}

const addMin: AddRow = ({ value, count }, to, values, from, steps, present) => {
  for (let k = 0; k < steps; k++) {
    if (present !== null && present[from + k] === 0) continue
    const cell = to + k
    const now = value[cell] as number
    const added = values[from + k] as number
    if (count[cell] === 0 || added < now || Number.isNaN(now)) value[cell] = added
    count[cell] = 1
  }
}

const addMax: AddRow = ({ value, count }, to, values, from, steps, present) => {
  for (let k = 0; k < steps; k++) {
    if (present !== null && present[from + k] === 0) continue
    const cell = to + k
    const now = value[cell] as number
    const added = values[from + k] as number
    if (count[cell] === 0 || added > now || Number.isNaN(now)) value[cell] = added
    count[cell] = 1
  }
}

/** Welford's method; `extra` is the mean. */
const addVariance: AddRow = ({ value, count, extra }, to, values, from, steps, present) => {
  for (let k = 0; k < steps; k++) {
    if (present !== null && present[from + k] === 0) continue
    const cell = to + k
    const added = values[from + k] as number
    const n = (count[cell] = (count[cell] as number) + 1)
    if (n === 1) {
      value[cell] = Number.isFinite(added) ? 0 : Number.NaN
      extra[cell] = added
      continue
    }
    const delta = added - (extra[cell] as number)
    const mean = (extra[cell] as number) + delta / n
    extra[cell] = mean
    value[cell] = (value[cell] as number) + delta * (added - mean)
  }
}

const addRow = {
  sum: addSum,
  count: addCount,
  group: addCount,
  min: addMin,
  max: addMax,
  stddev: addVariance,
  stdvar: addVariance,
}

/** Means by sum and count, as long as the sum stays finite; in cells where it would not, the mean itself is kept from there on. */
class IncrementalMeans {
  readonly #cells: number
  /** Made when the first cell overflows. */
  #means: Float64Array | null = null
  #overflown: Uint8Array | null = null

  constructor(cells: number) {
    this.#cells = cells
  }

  readonly add: AddRow = (acc, to, values, from, steps, present) => {
    const { value, count, extra } = acc
    for (let k = 0; k < steps; k++) {
      if (present !== null && present[from + k] === 0) continue
      const cell = to + k
      const added = values[from + k] as number
      const n = (count[cell] as number) + 1
      count[cell] = n
      if (n === 1) {
        value[cell] = added
        continue
      }
      if (this.#overflown === null || this.#overflown[cell] === 0) {
        const sum = value[cell] as number
        const total = sum + added
        if (total !== Infinity && total !== -Infinity) {
          extra[cell] = (extra[cell] as number) + (Math.abs(sum) >= Math.abs(added) ? sum - total + added : added - total + sum)
          value[cell] = total
          continue
        }
      }
      this.#addToMean(acc, cell, added, n)
    }
  }

  #addToMean({ value, extra }: Accumulators, cell: number, added: number, n: number): void {
    this.#means ??= new Float64Array(this.#cells)
    this.#overflown ??= new Uint8Array(this.#cells)
    if (this.#overflown[cell] === 0) {
      this.#overflown[cell] = 1
      this.#means[cell] = (value[cell] as number) / (n - 1)
      extra[cell] = (extra[cell] as number) / (n - 1)
    }
    const share = (n - 1) / n
    const before = share * (this.#means[cell] as number)
    const part = added / n
    const mean = before + part
    const lost = share * (extra[cell] as number)
    if (mean === Infinity || mean === -Infinity) extra[cell] = 0
    else extra[cell] = lost + (Math.abs(before) >= Math.abs(part) ? before - mean + part : part - mean + before)
    this.#means[cell] = mean
  }

  finish({ value, count, extra }: Accumulators): void {
    for (let i = 0; i < value.length; i++) {
      const n = count[i] as number
      if (this.#overflown?.[i] === 1) value[i] = (this.#means?.[i] as number) + (extra[i] as number)
      else value[i] = (value[i] as number) / n + (extra[i] as number) / n
    }
  }
}

function finish(op: AggregateOp, acc: Accumulators, means: IncrementalMeans | null): void {
  const { value, count, extra } = acc
  switch (op) {
    case 'sum':
      for (let i = 0; i < value.length; i++) value[i] = (value[i] as number) + (extra[i] as number)
      break
    case 'avg':
      means?.finish(acc)
      break
    case 'count':
      value.set(count)
      break
    case 'group':
      value.fill(1)
      break
    case 'stdvar':
      for (let i = 0; i < value.length; i++) value[i] = (value[i] as number) / (count[i] as number)
      break
    case 'stddev':
      for (let i = 0; i < value.length; i++) value[i] = Math.sqrt((value[i] as number) / (count[i] as number))
      break
    default:
      break
  }
}
