import type { RangeExtension } from '../ast.ts'

/** A series as a function over ranges sees it: its samples, and each step's window of them as indexes [low, high). */
export interface RangeRow {
  readonly times: Float64Array
  readonly values: Float64Array
  readonly low: Int32Array
  readonly high: Int32Array
  readonly steps: number
  /** Samples over all windows; those in several windows counted in each. */
  readonly total: number
  readonly widest: number
}

/** What is the same for all series of one call. */
export interface RangeFrame {
  readonly stepTimes: Float64Array
  /** Where the windows end, a step each. */
  readonly ends: Float64Array
  readonly rangeMs: number
  readonly extension: RangeExtension | null
  /** The scalar argument, a value a step. */
  readonly parameter: Float64Array | null
}

/** Writes a value for each step to `out[base + step]` and to `present[step]` whether there is one. @returns how many there are. */
export type RangeKernel = (row: RangeRow, out: Float64Array, base: number, present: Uint8Array) => number

export type RangeFunction = (frame: RangeFrame) => RangeKernel

/** A function that needs only the samples of one window, at least `samplesMin` of them. */
export function eachWindow(
  samplesMin: number,
  compute: (row: RangeRow, low: number, high: number, step: number, frame: RangeFrame) => number,
): RangeFunction {
  return (frame) => (row, out, base, present) => {
    const { low, high, steps } = row
    let count = 0
    for (let k = 0; k < steps; k++) {
      const from = low[k] as number
      const to = high[k] as number
      present[k] = 0
      if (to - from < samplesMin) continue
      out[base + k] = compute(row, from, to, k, frame)
      present[k] = 1
      count++
    }
    return count
  }
}

/** The indexes in [from, to) at which `differs(before, now)`, counted cumulatively: `counts[i - from]` of them are at or before i. */
export function cumulativeChanges(
  values: Float64Array,
  from: number,
  to: number,
  differs: (before: number, now: number) => boolean,
): Int32Array {
  const counts = new Int32Array(Math.max(0, to - from))
  for (let i = from + 1; i < to; i++) {
    counts[i - from] = (counts[i - from - 1] as number) + (differs(values[i - 1] as number, values[i] as number) ? 1 : 0)
  }
  return counts
}
