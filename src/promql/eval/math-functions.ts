import { goMax, goMin } from './numbers.ts'
import { dropNames, presenceOf, type Table } from './table.ts'

/** Functions of each value by itself. */
export const mathFunctions: ReadonlyMap<string, (value: number) => number> = new Map(
  Object.entries({
    abs: Math.abs,
    ceil: Math.ceil,
    floor: Math.floor,
    exp: Math.exp,
    sqrt: Math.sqrt,
    ln: Math.log,
    log2: Math.log2,
    log10: Math.log10,
    acos: Math.acos,
    acosh: Math.acosh,
    asin: Math.asin,
    asinh: Math.asinh,
    atan: Math.atan,
    atanh: Math.atanh,
    cos: Math.cos,
    cosh: Math.cosh,
    sin: Math.sin,
    sinh: Math.sinh,
    tan: Math.tan,
    tanh: Math.tanh,
    deg: (value: number) => value * (180 / Math.PI),
    rad: (value: number) => value * (Math.PI / 180),
    sgn: (value: number) => (value < 0 ? -1 : value > 0 ? 1 : value),
  }),
)

export function mapValues(table: Table, compute: (value: number) => number): Table {
  const { values } = table
  for (let i = 0; i < values.length; i++) values[i] = compute(values[i] as number)
  return dropNames(table)
}

/** Rounds to the nearest multiple, a half up. */
export function round(table: Table, toNearest: Float64Array | null): Table {
  const { values, steps } = table
  for (let i = 0; i < values.length; i++) {
    const inverse = 1 / (toNearest === null ? 1 : (toNearest[i % steps] as number))
    values[i] = Math.floor((values[i] as number) * inverse + 0.5) / inverse
  }
  return dropNames(table)
}

/** Holds values within bounds; null is no bound. Where the bounds contradict each other there is no point. */
export function clamp(table: Table, min: Float64Array | null, max: Float64Array | null): Table {
  const { values, steps } = table
  let present = table.present
  for (let k = 0; k < steps; k++) {
    const least = min === null ? -Infinity : (min[k] as number)
    const most = max === null ? Infinity : (max[k] as number)
    const impossible = most < least
    if (impossible) present ??= presenceOf(table)
    for (let i = k; i < values.length; i += steps) {
      if (impossible && present !== null) present[i] = 0
      else values[i] = goMax(least, goMin(most, values[i] as number))
    }
  }
  return dropNames({ ...table, present })
}

/** The value of the one series there is, else NaN. */
export function toScalar(table: Table): Float64Array {
  const { steps, values, present } = table
  const out = new Float64Array(steps).fill(Number.NaN)
  const seen = new Uint32Array(steps)
  for (let i = 0; i < values.length; i++) {
    if (present !== null && present[i] === 0) continue
    const k = i % steps
    out[k] = ++(seen as { [index: number]: number })[k]! === 1 ? (values[i] as number) : Number.NaN
  }
  return out
}

/** Orders the rows of a table of one step by value, NaN last. */
export function sortByValue(table: Table, descending: boolean): Table {
  if (table.steps !== 1) return table
  const points: number[] = []
  for (let row = 0; row < table.labels.length; row++) if (table.present === null || table.present[row] === 1) points.push(row)
  const { values } = table
  points.sort((a, b) => compareValues(values[a] as number, values[b] as number, descending))
  return pickRows(table, points)
}

export function compareValues(a: number, b: number, descending: boolean): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0)
  return descending ? b - a || 0 : a - b || 0
}

/** These rows of a table of one step, in this order; their points are all there. */
export function pickRows(table: Table, rows: readonly number[]): Table {
  return {
    kind: 'vector',
    steps: 1,
    labels: rows.map((row) => table.labels[row]!),
    values: Float64Array.from(rows, (row) => table.values[row] as number),
    present: null,
    ordered: true,
  }
}
