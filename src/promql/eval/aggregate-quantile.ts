import type { Span } from '../ast.ts'
import type { Context } from './context.ts'
import type { Groups } from './grouping.ts'
import { goMax, goMin } from './numbers.ts'
import { quantileOf } from './quantile.ts'
import { type Table, TableBuilder } from './table.ts'

/** The quantile of each group's values, a parameter a step. */
export function aggregateQuantile(q: Float64Array, place: Span, table: Table, groups: Groups, context: Context): Table {
  warn(q, place, context)
  const { steps, values, present } = table
  const rowsOf: number[][] = groups.labels.map(() => [])
  for (let row = 0; row < groups.of.length; row++) rowsOf[groups.of[row] as number]?.push(row)
  const builder = new TableBuilder(groups.labels.length, steps)
  const rowPresent = new Uint8Array(steps)
  const filled = new Int32Array(steps)
  for (let group = 0; group < rowsOf.length; group++) {
    const rows = rowsOf[group] as number[]
    // Turned around: the values of one step beside each other.
    const turned = new Float64Array(rows.length * steps)
    filled.fill(0)
    for (const row of rows) {
      const from = row * steps
      for (let k = 0; k < steps; k++) {
        if (present !== null && present[from + k] === 0) continue
        const at = filled[k] as number
        turned[k * rows.length + at] = values[from + k] as number
        filled[k] = at + 1
      }
    }
    const { base } = builder
    let count = 0
    for (let k = 0; k < steps; k++) {
      const length = filled[k] as number
      rowPresent[k] = length > 0 ? 1 : 0
      if (length === 0) continue
      builder.values[base + k] = quantileOf(turned.subarray(k * rows.length, k * rows.length + length), length, q[k] as number)
      count++
    }
    builder.commit(groups.labels[group]!, count, rowPresent)
    context.budget.work(rows.length * steps)
  }
  return builder.build()
}

function warn(q: Float64Array, place: Span, context: Context): void {
  let least = Number.MAX_VALUE
  let greatest = -Number.MAX_VALUE
  let anyNaN = false
  for (let k = 0; k < q.length; k++) {
    const value = q[k] as number
    greatest = goMax(greatest, value)
    least = goMin(least, value)
    if (Number.isNaN(value)) anyNaN = true
  }
  if (anyNaN) context.annotations.invalidQuantile(Number.NaN, place)
  if (greatest > 1) context.annotations.invalidQuantile(greatest, place)
  if (least < 0) context.annotations.invalidQuantile(least, place)
}
