import { quantileOf } from './quantile.ts'
import { eachWindow, type RangeFunction, type RangeRow } from './range-kernel.ts'
import { WindowSums } from './window-sums.ts'

/** When each sample is in so many windows, on average, it pays to go over the samples once rather than over each window. */
const OVERLAP_MIN = 4

function overlaps({ total, low, high, steps }: RangeRow): boolean {
  return total > OVERLAP_MIN * ((high[steps - 1] as number) - (low[0] as number))
}

/** Sums of windows with what rounding lost (Neumaier), the samples added in order. */
function sumWindow(values: Float64Array, low: number, high: number, sums: Sum): void {
  let sum = 0
  let lost = 0
  for (let i = low; i < high; i++) {
    const value = values[i] as number
    const total = sum + value
    if (total === Infinity || total === -Infinity) lost = 0
    else if (Math.abs(sum) >= Math.abs(value)) lost += sum - total + value
    else lost += value - total + sum
    sum = total
  }
  sums.sum = sum
  sums.lost = lost
}

interface Sum {
  sum: number
  lost: number
}

/** The mean; if the sum would overflow, worked out incrementally from there on. */
function meanWindow(values: Float64Array, low: number, high: number): number {
  let sum = values[low] as number
  let lost = 0
  let mean = 0
  let incremental = false
  let count = 1
  for (let i = low + 1; i < high; i++) {
    const value = values[i] as number
    count++
    if (!incremental) {
      const total = sum + value
      if (total !== Infinity && total !== -Infinity) {
        lost += Math.abs(sum) >= Math.abs(value) ? sum - total + value : value - total + sum
        sum = total
        continue
      }
      incremental = true
      mean = sum / (count - 1)
      lost /= count - 1
    }
    const share = (count - 1) / count
    const before = share * mean
    const added = value / count
    lost *= share
    mean = before + added
    if (mean === Infinity || mean === -Infinity) lost = 0
    else lost += Math.abs(before) >= Math.abs(added) ? before - mean + added : added - mean + before
  }
  return incremental ? mean + lost : sum / count + lost / count
}

function summing(
  finish: (sums: Sum, count: number) => number,
  window: (values: Float64Array, low: number, high: number) => number,
): RangeFunction {
  const sums: Sum = { sum: 0, lost: 0 }
  return () => (row, out, base, present) => {
    const { values, low, high, steps } = row
    const shared = overlaps(row) ? WindowSums.over(values, low[0] as number, high[steps - 1] as number) : null
    let count = 0
    for (let k = 0; k < steps; k++) {
      const from = low[k] as number
      const to = high[k] as number
      present[k] = to > from ? 1 : 0
      if (to <= from) continue
      const exact = shared?.window(from, to, sums) ?? false
      out[base + k] = exact ? finish(sums, to - from) : window(values, from, to)
      count++
    }
    return count
  }
}

const windowSum: Sum = { sum: 0, lost: 0 }

const sumOverTime = summing(
  ({ sum, lost }) => sum + lost,
  (values, low, high) => {
    sumWindow(values, low, high, windowSum)
    const infinite = windowSum.sum === Infinity || windowSum.sum === -Infinity
    return infinite ? windowSum.sum : windowSum.sum + windowSum.lost
  },
)

const avgOverTime = summing(({ sum, lost }, count) => sum / count + lost / count, meanWindow)

/** The greatest (sign 1) or least (sign -1); NaN only if all are. Of equal ones (0 and -0) the first. */
function extreme(sign: 1 | -1): RangeFunction {
  const wins = sign === 1 ? (a: number, b: number) => a > b : (a: number, b: number) => a < b
  const direct = eachWindow(1, ({ values }, low, high) => {
    let best = values[low] as number
    for (let i = low + 1; i < high; i++) {
      const value = values[i] as number
      if (sign === 1 ? value > best : value < best) best = value
      else if (Number.isNaN(best)) best = value
    }
    return best
  })
  return (frame) => {
    const small = direct(frame)
    return (row, out, base, present) => (overlaps(row) ? slidingExtreme(row, out, base, present, wins) : small(row, out, base, present))
  }
}

/** Keeps the samples that can still win, best first, while the window moves on. */
function slidingExtreme(
  { values, low, high, steps }: RangeRow,
  out: Float64Array,
  base: number,
  present: Uint8Array,
  wins: (a: number, b: number) => boolean,
): number {
  const queue = new Int32Array((high[steps - 1] as number) - (low[0] as number))
  let head = 0
  let tail = 0
  let next = low[0] as number
  let count = 0
  for (let k = 0; k < steps; k++) {
    const from = low[k] as number
    const to = high[k] as number
    for (; next < to; next++) {
      const value = values[next] as number
      if (Number.isNaN(value)) continue
      while (tail > head && wins(value, values[queue[tail - 1] as number] as number)) tail--
      queue[tail++] = next
    }
    while (head < tail && (queue[head] as number) < from) head++
    present[k] = to > from ? 1 : 0
    if (to <= from) continue
    out[base + k] = head < tail ? (values[queue[head] as number] as number) : Number.NaN
    count++
  }
  return count
}

/** Variance by Welford's method, mean and squares compensated. */
function variance(values: Float64Array, low: number, high: number): number {
  let count = 0
  let mean = 0
  let meanLost = 0
  let squares = 0
  let squaresLost = 0
  for (let i = low; i < high; i++) {
    const value = values[i] as number
    count++
    const delta = value - (mean + meanLost)
    const step = delta / count
    const newMean = mean + step
    if (newMean === Infinity || newMean === -Infinity) meanLost = 0
    else meanLost += Math.abs(mean) >= Math.abs(step) ? mean - newMean + step : step - newMean + mean
    mean = newMean
    const square = delta * (value - (mean + meanLost))
    const total = squares + square
    if (total === Infinity || total === -Infinity) squaresLost = 0
    else squaresLost += Math.abs(squares) >= Math.abs(square) ? squares - total + square : square - total + squares
    squares = total
  }
  return (squares + squaresLost) / count
}

let scratch = new Float64Array(256)

function quantileWindow(values: Float64Array, low: number, high: number, q: number): number {
  const length = high - low
  if (scratch.length < length) scratch = new Float64Array(length * 2)
  for (let i = 0; i < length; i++) scratch[i] = values[low + i] as number
  return quantileOf(scratch, length, q)
}

export const overTimeFunctions: Readonly<Record<string, RangeFunction>> = {
  sum_over_time: sumOverTime,
  avg_over_time: avgOverTime,
  max_over_time: extreme(1),
  min_over_time: extreme(-1),
  count_over_time: eachWindow(1, (_row, low, high) => high - low),
  present_over_time: eachWindow(1, () => 1),
  absent_over_time: eachWindow(1, () => 1),
  first_over_time: eachWindow(1, ({ values }, low) => values[low] as number),
  last_over_time: eachWindow(1, ({ values }, _low, high) => values[high - 1] as number),
  stdvar_over_time: eachWindow(1, ({ values }, low, high) => variance(values, low, high)),
  stddev_over_time: eachWindow(1, ({ values }, low, high) => Math.sqrt(variance(values, low, high))),
  quantile_over_time: eachWindow(1, ({ values }, low, high, step, { parameter }) =>
    quantileWindow(values, low, high, parameter?.[step] ?? Number.NaN),
  ),
}
