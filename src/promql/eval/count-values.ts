import type { Labels } from '../../domain/labels.ts'
import { PromqlExecutionError } from '../errors.ts'
import type { Context } from './context.ts'
import { type GroupingRule, groupLabels } from './grouping.ts'
import { isLabelName } from './label-functions.ts'
import { withLabel } from './labels.ts'
import { formatDecimal, goQuote } from './numbers.ts'
import { type Table, TableBuilder } from './table.ts'

/** How many series of a group have each value; the value is a label of the result. */
export function countValues(table: Table, valueLabel: string, rule: GroupingRule, context: Context): Table {
  if (!isLabelName(valueLabel)) throw new PromqlExecutionError(`invalid label name ${goQuote(valueLabel)}`)
  const { steps, values, present } = table
  const full = rule.without ? rule : { names: [...rule.names, valueLabel], without: false }
  const counters = new Map<string, { labels: Labels; counts: Float64Array }>()
  for (let row = 0; row < table.labels.length; row++) {
    const labels = table.labels[row] as Labels
    const seen = new Map<number | string, Float64Array>()
    for (let k = 0; k < steps; k++) {
      const cell = row * steps + k
      if (present !== null && present[cell] === 0) continue
      const value = values[cell] as number
      // A Map takes 0 and -0 for the same.
      const valueKey = Object.is(value, -0) ? '-0' : value
      let counts = seen.get(valueKey)
      if (counts === undefined) {
        const group = groupLabels(withLabel(labels, valueLabel, formatDecimal(value)), full)
        let counter = counters.get(group.key)
        if (counter === undefined) {
          counter = { labels: group, counts: new Float64Array(steps) }
          counters.set(group.key, counter)
          context.budget.hold(steps)
        }
        counts = counter.counts
        seen.set(valueKey, counts)
      }
      counts[k] = (counts[k] as number) + 1
    }
    context.budget.work(steps)
  }
  const builder = new TableBuilder(counters.size, steps)
  const rowPresent = new Uint8Array(steps)
  for (const { labels, counts } of counters.values()) {
    builder.values.set(counts, builder.base)
    let count = 0
    for (let k = 0; k < steps; k++) count += rowPresent[k] = counts[k] === 0 ? 0 : 1
    builder.commit(labels, count, rowPresent)
  }
  return builder.build()
}
