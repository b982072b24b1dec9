import type { Labels } from '../../domain/labels.ts'
import type { RangeSeries, VectorSample } from '../result.ts'
import { compareLabels } from './labels.ts'
import type { Table } from './table.ts'

/** The rows of a table, by their labels. */
function orderedRows({ labels }: Table): Uint32Array {
  const rows = Uint32Array.from(labels, (_, row) => row)
  return rows.sort((a, b) => compareLabels(labels[a] as Labels, labels[b] as Labels))
}

/** The points of a table of one step. */
export function toVectorSamples(table: Table): VectorSample[] {
  const { labels, values, present } = table
  const rows = table.ordered ? labels.keys() : orderedRows(table)
  const out: VectorSample[] = []
  for (const row of rows) {
    if (present === null || present[row] === 1) out.push({ labels: labels[row] as Labels, value: values[row] as number })
  }
  return out
}

/** The rows of a table that have points. The columns are views into the table's. */
export function toRangeSeries(table: Table): RangeSeries[] {
  const { steps, labels, values, present } = table
  const out: RangeSeries[] = []
  for (const row of orderedRows(table)) {
    const from = row * steps
    let rowPresent: Uint8Array | null = null
    if (present !== null) {
      let count = 0
      for (let k = 0; k < steps; k++) count += present[from + k] as number
      if (count === 0) continue
      if (count < steps) rowPresent = present.subarray(from, from + steps)
    }
    out.push({ labels: labels[row] as Labels, values: values.subarray(from, from + steps), present: rowPresent })
  }
  return out
}
