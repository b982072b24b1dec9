import { PromqlExecutionError } from '../errors.ts'
import type { Context } from './context.ts'
import type { Groups } from './grouping.ts'
import { compareValues, pickRows } from './math-functions.ts'
import { formatG } from './numbers.ts'
import { emptyTable, type Table, TableBuilder } from './table.ts'

/**
 * topk, bottomk: of each group the k greatest (least) at each step, NaN only for want of numbers.
 * 1. Rows are offered one after the other, at all steps at once; each (group, step) keeps the best so far in a heap, worst on top.
 * 2. What stays in the heaps is marked, and the rest of the table masked.
 */
export function topk(op: 'topk' | 'bottomk', k: Float64Array, table: Table, groups: Groups, context: Context): Table {
  const { steps, labels } = table
  const kMax = check(k)
  if (kMax < 1 || labels.length === 0) return emptyTable(steps)

  const sizes = new Int32Array(groups.labels.length)
  for (let row = 0; row < labels.length; row++) sizes[groups.of[row] as number] = (sizes[groups.of[row] as number] as number) + 1
  const heaps = groups.labels.map((_, group) => new StepHeaps(op === 'topk', k, Math.min(kMax, sizes[group] as number), steps))
  for (let row = 0; row < labels.length; row++) {
    heaps[groups.of[row] as number]?.offer(row, table.values, table.present, row * steps)
    context.budget.work(steps)
  }
  if (steps === 1)
    return pickRows(
      table,
      heaps.flatMap((heap) => heap.best(0, table.values)),
    )
  return masked(table, heaps)
}

function check(k: Float64Array): number {
  let most = Number.NEGATIVE_INFINITY
  let least = Number.POSITIVE_INFINITY
  let anyNaN = false
  for (let i = 0; i < k.length; i++) {
    const value = k[i] as number
    if (Number.isNaN(value)) anyNaN = true
    most = Math.max(most, value)
    least = Math.min(least, value)
  }
  if (most < 1) return 0
  if (anyNaN) throw new PromqlExecutionError('Parameter value is NaN')
  if (least <= -(2 ** 63)) throw new PromqlExecutionError(`Scalar value ${formatG(least)} underflows int64`)
  if (most >= 2 ** 63) throw new PromqlExecutionError(`Scalar value ${formatG(most)} overflows int64`)
  return Math.trunc(most)
}

function masked(table: Table, heaps: readonly StepHeaps[]): Table {
  const { steps, labels, values } = table
  const kept = new Uint8Array(values.length)
  for (const heap of heaps) heap.mark(kept)
  const builder = new TableBuilder(labels.length, steps)
  for (let row = 0; row < labels.length; row++) {
    const from = row * steps
    let count = 0
    for (let s = 0; s < steps; s++) count += kept[from + s] as number
    if (count === 0) continue
    builder.values.set(values.subarray(from, from + steps), builder.base)
    builder.commit(labels[row]!, count, kept.subarray(from, from + steps))
  }
  return builder.build()
}

/** One heap a step for one group: at most `capacity` rows each, the worst first. */
class StepHeaps {
  readonly #greatest: boolean
  readonly #limits: Int32Array
  readonly #capacity: number
  readonly #sizes: Int32Array
  readonly #rows: Int32Array
  readonly #values: Float64Array

  constructor(greatest: boolean, k: Float64Array, capacity: number, steps: number) {
    this.#greatest = greatest
    this.#capacity = capacity
    this.#limits = Int32Array.from(k, (value) => Math.max(0, Math.min(Math.trunc(value), capacity)))
    this.#sizes = new Int32Array(steps)
    this.#rows = new Int32Array(steps * capacity)
    this.#values = new Float64Array(steps * capacity)
  }

  /** Offers a row's values at all steps. */
  offer(row: number, values: Float64Array, present: Uint8Array | null, from: number): void {
    const sizes = this.#sizes
    const heap = this.#values
    for (let step = 0; step < sizes.length; step++) {
      if (present !== null && present[from + step] === 0) continue
      const limit = this.#limits[step] as number
      if (limit === 0) continue
      const value = values[from + step] as number
      const base = step * this.#capacity
      const size = sizes[step] as number
      if (size < limit) {
        sizes[step] = size + 1
        this.#up(base, size, value, row)
        continue
      }
      const worst = heap[base] as number
      const better = this.#greatest ? value > worst : value < worst
      if (better || (Number.isNaN(worst) && !Number.isNaN(value))) this.#down(base, size, value, row)
    }
  }

  /** Whether `a` should leave before `b`: NaN first. */
  #worse(a: number, b: number): boolean {
    return Number.isNaN(a) || (this.#greatest ? a < b : a > b)
  }

  #up(base: number, at: number, value: number, row: number): void {
    let child = at
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!this.#worse(value, this.#values[base + parent] as number)) break
      this.#move(base, child, parent)
      child = parent
    }
    this.#values[base + child] = value
    this.#rows[base + child] = row
  }

  #down(base: number, size: number, value: number, row: number): void {
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= size) break
      if (child + 1 < size && this.#worse(this.#values[base + child + 1] as number, this.#values[base + child] as number)) child++
      if (!this.#worse(this.#values[base + child] as number, value)) break
      this.#move(base, at, child)
      at = child
    }
    this.#values[base + at] = value
    this.#rows[base + at] = row
  }

  #move(base: number, to: number, from: number): void {
    this.#values[base + to] = this.#values[base + from] as number
    this.#rows[base + to] = this.#rows[base + from] as number
  }

  /** The rows kept at a step, best first. */
  best(step: number, values: Float64Array): number[] {
    const base = step * this.#capacity
    const rows = [...this.#rows.subarray(base, base + (this.#sizes[step] as number))]
    const steps = this.#sizes.length
    const valueAt = (row: number) => values[row * steps + step] as number
    return rows.sort((a, b) => compareValues(valueAt(a), valueAt(b), this.#greatest))
  }

  mark(kept: Uint8Array): void {
    const steps = this.#sizes.length
    for (let step = 0; step < steps; step++) {
      const base = step * this.#capacity
      for (let i = 0; i < (this.#sizes[step] as number); i++) kept[(this.#rows[base + i] as number) * steps + step] = 1
    }
  }
}
