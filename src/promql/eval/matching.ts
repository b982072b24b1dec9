import type { Labels } from '../../domain/labels.ts'
import { invariant } from '../../stdx/invariant.ts'
import type { ArithmeticOp, Binary, ComparisonOp, VectorMatching } from '../ast.ts'
import { PromqlExecutionError } from '../errors.ts'
import type { Budget, Context } from './context.ts'
import { keyFunction, labelsText, withLabel } from './labels.ts'
import { applyArithmetic, applyComparison, isComparison, type Operand } from './operators.ts'
import { emptyTable, relabel, type Table, TableBuilder } from './table.ts'

/*
 * An operator between two vectors:
 * 1. Every series belongs to a match group by its labels, which are the same at all steps.
 * 2. One side (the right, or left with group_right) has one series a group. Where several share a group they must not be present at
 *    the same step; only then is anything looked at step by step.
 * 3. Each series of the other side is paired with each of its group's, and the operator applied to the pair's columns where both are.
 * 4. The results are labelled; those that come out the same are one series, unless they are present at the same step.
 */

/** Sides told apart by their part in the matching, not by where they stand. */
interface Sides {
  readonly many: Table
  readonly one: Table
  /** `group_right`: the `many` side is the right one. */
  readonly swapped: boolean
}

export function matchVectors(node: Binary, left: Table, right: Table, context: Context): Table {
  const { matching } = node
  invariant(matching !== null, 'an operator between vectors without matching')
  const { steps } = left
  if (left.labels.length === 0 || right.labels.length === 0) return emptyTable(steps)
  const swapped = matching.cardinality === 'one-to-many'
  const sides: Sides = swapped ? { many: right, one: left, swapped } : { many: left, one: right, swapped }
  const keyOf = keyFunction(matching.labels, matching.on)
  const oneRows = rowsByKey(sides.one, keyOf)
  for (const rows of oneRows.values()) if (rows.length > 1) rejectDuplicates(rows, sides, matching)

  const pairs = new Pairs(sides, matching, node.op as ArithmeticOp | ComparisonOp, node.returnBool)
  const manyRows = rowsByKey(sides.many, keyOf)
  for (const [key, rows] of manyRows) {
    const ones = oneRows.get(key)
    if (ones === undefined) continue
    pairs.addGroup(rows, ones, context.budget)
  }
  return pairs.build()
}

function rowsByKey(table: Table, keyOf: (labels: Labels) => string): Map<string, number[]> {
  const rows = new Map<string, number[]>()
  for (let row = 0; row < table.labels.length; row++) {
    const key = keyOf(table.labels[row] as Labels)
    const group = rows.get(key)
    if (group === undefined) rows.set(key, [row])
    else group.push(row)
  }
  return rows
}

function isPresent(table: Table, row: number, step: number): boolean {
  return table.present === null || table.present[row * table.steps + step] === 1
}

/** Whether the table has any point at a step. */
function hasAny(table: Table, step: number): boolean {
  for (let row = 0; row < table.labels.length; row++) if (isPresent(table, row, step)) return true
  return false
}

/** @throws if two series of the `one` side share their group at a step at which both sides have points. */
function rejectDuplicates(rows: readonly number[], { one, many, swapped }: Sides, { on, labels }: VectorMatching): void {
  for (let step = 0; step < one.steps; step++) {
    let first = -1
    for (const row of rows) {
      if (!isPresent(one, row, step)) continue
      if (first < 0) {
        first = row
        continue
      }
      if (!hasAny(many, step)) break
      const duplicate = one.labels[row] as Labels
      const names = new Set(labels)
      const group = labelsText(on ? duplicate.only(names) : duplicate.unnamed.without(names))
      const [a, b] = [labelsText(duplicate), labelsText(one.labels[first] as Labels)].sort()
      throw new PromqlExecutionError(
        `found duplicate series for the match group ${group} on the ${swapped ? 'left' : 'right'} hand-side of the operation: [${a}, ${b}]` +
          ';many-to-many matching not allowed: matching labels must be unique on one side',
      )
    }
  }
}

/** Collects the results of pairs. */
class Pairs {
  readonly #sides: Sides
  readonly #matching: VectorMatching
  readonly #op: ArithmeticOp | ComparisonOp
  readonly #returnBool: boolean
  readonly #chunks: { labels: Labels; values: Float64Array; present: Uint8Array; count: number }[] = []
  readonly #holds: Uint8Array

  constructor(sides: Sides, matching: VectorMatching, op: ArithmeticOp | ComparisonOp, returnBool: boolean) {
    this.#sides = sides
    this.#matching = matching
    this.#op = op
    this.#returnBool = returnBool
    this.#holds = new Uint8Array(sides.one.steps)
  }

  addGroup(manyRows: readonly number[], oneRows: readonly number[], budget: Budget): void {
    // Several pairs in a group can collide at a step, even where a comparison then drops their points.
    const taken = manyRows.length > 1 ? new Map<string, Uint8Array>() : null
    for (const manyRow of manyRows) {
      for (const oneRow of oneRows) {
        budget.work(this.#sides.one.steps)
        const { present, count } = this.#bothPresent(manyRow, oneRow)
        if (count === 0) continue
        const labels = this.#resultLabels(manyRow, oneRow)
        if (taken !== null) this.#rejectCollision(taken, labels, present)
        this.#compute(manyRow, oneRow, labels, present, count)
      }
    }
  }

  #bothPresent(manyRow: number, oneRow: number): { present: Uint8Array; count: number } {
    const { many, one } = this.#sides
    const { steps } = one
    const present = new Uint8Array(steps)
    let count = 0
    for (let k = 0; k < steps; k++) {
      if (!isPresent(many, manyRow, k) || !isPresent(one, oneRow, k)) continue
      present[k] = 1
      count++
    }
    return { present, count }
  }

  #rejectCollision(taken: Map<string, Uint8Array>, labels: Labels, present: Uint8Array): void {
    const oneToOne = this.#matching.cardinality === 'one-to-one'
    const key = oneToOne ? '' : labels.key
    let before = taken.get(key)
    if (before === undefined) {
      before = new Uint8Array(present.length)
      taken.set(key, before)
    }
    for (let k = 0; k < present.length; k++) {
      if (present[k] === 0) continue
      if (before[k] === 1) {
        throw new PromqlExecutionError(
          oneToOne
            ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
            : 'multiple matches for labels: grouping labels must ensure unique matches',
        )
      }
      before[k] = 1
    }
  }

  #compute(manyRow: number, oneRow: number, labels: Labels, present: Uint8Array, bothCount: number): void {
    const { many, one, swapped } = this.#sides
    const { steps } = one
    const manySide: Operand = { values: many.values, from: manyRow * steps }
    const oneSide: Operand = { values: one.values, from: oneRow * steps }
    const [left, right] = swapped ? [oneSide, manySide] : [manySide, oneSide]
    const values = new Float64Array(steps)
    const op = this.#op
    let count = bothCount
    if (!isComparison(op)) applyArithmetic(op, left, right, values, 0, steps)
    else {
      const holds = this.#holds
      applyComparison(op, left, right, holds, steps)
      if (this.#returnBool) values.set(holds)
      else {
        values.set(left.values.subarray(left.from, left.from + steps))
        count = 0
        for (let k = 0; k < steps; k++) count += present[k] = (present[k] as number) & (holds[k] as number)
      }
    }
    if (count > 0) this.#chunks.push({ labels, values, present, count })
  }

  #resultLabels(manyRow: number, oneRow: number): Labels {
    const { many, one } = this.#sides
    const { cardinality, on, labels: names, include } = this.#matching
    let labels = many.labels[manyRow] as Labels
    if (this.#returnBool || !isComparison(this.#op)) labels = labels.unnamed
    if (cardinality === 'one-to-one') {
      if (on) labels = labels.only(new Set(names))
      else if (names.length > 0) labels = labels.without(new Set(names))
    }
    for (const name of include) labels = withLabel(labels, name, (one.labels[oneRow] as Labels).get(name))
    return labels
  }

  build(): Table {
    const builder = new TableBuilder(this.#chunks.length, this.#sides.one.steps)
    for (const { labels, values, present, count } of this.#chunks) {
      builder.values.set(values, builder.base)
      builder.commit(labels, count, present)
    }
    const table = builder.build()
    return relabel(table, table.labels)
  }
}
