import type { Labels } from '../../domain/labels.ts'
import type { SeriesColumns } from '../../domain/series.ts'
import type { RangeExtension } from '../ast.ts'
import { PromqlExecutionError } from '../errors.ts'

/** The steps of an evaluation: start, start + step, ... `count` of them. */
export interface Grid {
  readonly startMs: number
  readonly stepMs: number
  readonly count: number
  readonly times: Float64Array
}

export function makeGrid(startMs: number, endMs: number, stepMs: number): Grid {
  const step = stepMs > 0 ? stepMs : 1
  const count = endMs < startMs ? 0 : stepMs > 0 ? Math.floor((endMs - startMs) / stepMs) + 1 : 1
  const times = new Float64Array(count)
  for (let k = 0; k < count; k++) times[k] = startMs + k * step
  return { startMs, stepMs: step, count, times }
}

/** A value for each step. */
export interface Scalar {
  readonly kind: 'scalar'
  readonly values: Float64Array
}

export interface Text {
  readonly kind: 'string'
  readonly value: string
}

/**
 * An instant vector at all steps: a row a series, a column a step. `values[row * steps + step]` is a point where `present` (of the
 * same shape; null: everywhere) says 1. Labels are unique. Whoever holds a table owns it and may change it in place.
 */
export interface Table {
  readonly kind: 'vector'
  readonly steps: number
  readonly labels: Labels[]
  readonly values: Float64Array
  readonly present: Uint8Array | null
  /** The order of rows is part of the answer (sort, topk of an instant query). */
  readonly ordered: boolean
}

/**
 * A range vector at all steps: of each series the samples in (ends[step] - rangeMs, ends[step]].
 */
export interface RangeVector {
  readonly kind: 'matrix'
  readonly series: readonly SeriesColumns[]
  readonly ends: Float64Array
  readonly rangeMs: number
  /** An extended range also holds the samples up to a lookback before it (and after it, if smoothed). */
  readonly extension: RangeExtension | null
}

export type Value = Scalar | Text | Table | RangeVector

/** Rows are written at `base` of `values` and kept by `commit`; a row without points is left out. */
export class TableBuilder {
  readonly steps: number
  readonly labels: Labels[] = []
  readonly values: Float64Array
  readonly #rowsMax: number
  #present: Uint8Array | null = null
  #points = 0

  constructor(rowsMax: number, steps: number) {
    this.steps = steps
    this.#rowsMax = rowsMax
    this.values = new Float64Array(rowsMax * steps)
  }

  /** Where the next row begins in `values`. */
  get base(): number {
    return this.labels.length * this.steps
  }

  /** Points kept so far. */
  get points(): number {
    return this.#points
  }

  /** Keeps the row at `base`, of which `count` cells are points; `present` (of at least `steps` bytes) tells which, unless all are. */
  commit(labels: Labels, count: number, present: Uint8Array): void {
    if (count === 0) return
    const { base, steps } = this
    if (count < steps && this.#present === null) {
      this.#present = new Uint8Array(this.#rowsMax * steps)
      this.#present.fill(1, 0, base)
    }
    if (this.#present !== null) {
      for (let k = 0; k < steps; k++) this.#present[base + k] = count === steps ? 1 : (present[k] as number)
    }
    this.labels.push(labels)
    this.#points += count
  }

  build(ordered = false): Table {
    const { labels, steps } = this
    const cells = labels.length * steps
    const whole = labels.length === this.#rowsMax
    const present = this.#present
    return {
      kind: 'vector',
      steps,
      labels,
      values: whole ? this.values : this.values.subarray(0, cells),
      present: present === null || whole ? present : present.subarray(0, cells),
      ordered,
    }
  }
}

export function emptyTable(steps: number): Table {
  return { kind: 'vector', steps, labels: [], values: new Float64Array(0), present: null, ordered: false }
}

export function countPoints(table: Table): number {
  if (table.present === null) return table.values.length
  let points = 0
  for (let i = 0; i < table.present.length; i++) points += table.present[i] as number
  return points
}

/** One row of a table whose rows are all of one step is a point there and everywhere else too. */
export function repeatSteps(table: Table, steps: number): Table {
  const rows = table.labels.length
  const values = new Float64Array(rows * steps)
  for (let row = 0; row < rows; row++) values.fill(table.values[row] as number, row * steps, (row + 1) * steps)
  let present: Uint8Array | null = null
  if (table.present !== null) {
    present = new Uint8Array(rows * steps)
    for (let row = 0; row < rows; row++) present.fill(table.present[row] as number, row * steps, (row + 1) * steps)
  }
  return { kind: 'vector', steps, labels: table.labels, values, present, ordered: table.ordered }
}

/** The presence of a table as bytes, made when there is none. */
export function presenceOf(table: Table): Uint8Array {
  return table.present ?? new Uint8Array(table.values.length).fill(1)
}

const DUPLICATE = 'vector cannot contain metrics with the same labelset'

/** Gives the rows of a table other labels. Rows that thereby become one series are merged. @throws if they have points at one step. */
export function relabel(table: Table, labels: Labels[]): Table {
  const { steps } = table
  const rowOf = new Map<string, number>()
  for (let row = 0; row < labels.length; row++) rowOf.set((labels[row] as Labels).key, row)
  if (rowOf.size === labels.length) return { ...table, labels }

  rowOf.clear()
  const merged: Labels[] = []
  const values = table.values
  const present = presenceOf(table)
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as Labels
    const target = rowOf.get(label.key)
    const from = row * steps
    if (target === undefined) {
      const to = merged.length * steps
      rowOf.set(label.key, merged.length)
      merged.push(label)
      if (to !== from) {
        values.copyWithin(to, from, from + steps)
        present.copyWithin(to, from, from + steps)
      }
      continue
    }
    const to = target * steps
    for (let k = 0; k < steps; k++) {
      if (present[from + k] === 0) continue
      if (present[to + k] === 1) throw new PromqlExecutionError(DUPLICATE)
      values[to + k] = values[from + k] as number
      present[to + k] = 1
    }
  }
  const cells = merged.length * steps
  return { ...table, labels: merged, values: values.subarray(0, cells), present: present.subarray(0, cells) }
}

/** The table without metric names (and types and units), as most functions and operators leave it. */
export function dropNames(table: Table): Table {
  const before = table.labels
  const labels = new Array<Labels>(before.length)
  for (let row = 0; row < before.length; row++) labels[row] = (before[row] as Labels).unnamed
  return haveOneName(before) ? { ...table, labels } : relabel(table, labels)
}

/** Series that differ, have one name and neither type nor unit still differ without it; the common case, so no need to look at the rest. */
function haveOneName(labels: readonly Labels[]): boolean {
  if (labels.length === 0) return true
  const name = (labels[0] as Labels).metric
  for (const label of labels) {
    if (label.metric !== name || label.has('__type__') || label.has('__unit__')) return false
  }
  return true
}
