import type { Labels } from '../../domain/labels.ts'
import type { Binary } from '../ast.ts'
import type { Context } from './context.ts'
import { keyFunction } from './labels.ts'
import { relabel, type Table, TableBuilder } from './table.ts'

/** and, or, unless: by which match groups are present on the other side at each step. */
export function setOperation(node: Binary, left: Table, right: Table, context: Context): Table {
  const keyOf = keyFunction(node.matching?.labels ?? [], node.matching?.on ?? false)
  context.budget.work(left.values.length + right.values.length)
  switch (node.op) {
    case 'and':
      return keep(left, presentGroups(right, keyOf), keyOf, true)
    case 'unless':
      return keep(left, presentGroups(right, keyOf), keyOf, false)
    default:
      return union(left, keep(right, presentGroups(left, keyOf), keyOf, false))
  }
}

/** For each match group, the steps at which one of its series is present. */
function presentGroups(table: Table, keyOf: (labels: Labels) => string): Map<string, Uint8Array> {
  const { steps, present } = table
  const groups = new Map<string, Uint8Array>()
  for (let row = 0; row < table.labels.length; row++) {
    const key = keyOf(table.labels[row] as Labels)
    let mask = groups.get(key)
    if (mask === undefined) {
      mask = new Uint8Array(steps)
      groups.set(key, mask)
    }
    for (let k = 0; k < steps; k++) if (present === null || present[row * steps + k] === 1) mask[k] = 1
  }
  return groups
}

/** The points whose group is present on the other side (`wanted`), or those whose group is not. */
function keep(table: Table, others: ReadonlyMap<string, Uint8Array>, keyOf: (labels: Labels) => string, wanted: boolean): Table {
  const { steps, present, values, labels } = table
  const builder = new TableBuilder(labels.length, steps)
  const rowPresent = new Uint8Array(steps)
  for (let row = 0; row < labels.length; row++) {
    const other = others.get(keyOf(labels[row] as Labels))
    if (wanted && other === undefined) continue
    const from = row * steps
    let count = 0
    for (let k = 0; k < steps; k++) {
      const matched = other !== undefined && other[k] === 1
      const kept = matched === wanted && (present === null || present[from + k] === 1)
      rowPresent[k] = kept ? 1 : 0
      if (kept) count++
    }
    if (count === 0) continue
    builder.values.set(values.subarray(from, from + steps), builder.base)
    builder.commit(labels[row] as Labels, count, rowPresent)
  }
  return builder.build()
}

function union(left: Table, right: Table): Table {
  if (right.labels.length === 0) return { ...left, ordered: false }
  if (left.labels.length === 0) return right
  const { steps } = left
  const rows = left.labels.length + right.labels.length
  const values = new Float64Array(rows * steps)
  values.set(left.values)
  values.set(right.values, left.values.length)
  let present: Uint8Array | null = null
  if (left.present !== null || right.present !== null) {
    present = new Uint8Array(rows * steps).fill(1)
    if (left.present !== null) present.set(left.present)
    if (right.present !== null) present.set(right.present, left.values.length)
  }
  const labels = [...left.labels, ...right.labels]
  return relabel({ kind: 'vector', steps, labels, values, present, ordered: false }, labels)
}
