import { eachWindow, type RangeFunction, type RangeRow } from './range-kernel.ts'

/** Sums of x, y, x * y and x * x, and what rounding lost of each. */
const sums = new Float64Array(4)
const lost = new Float64Array(4)

function add(which: number, value: number): void {
  const sum = sums[which] as number
  const total = sum + value
  if (total === Infinity || total === -Infinity) lost[which] = 0
  else if (Math.abs(sum) >= Math.abs(value)) lost[which] = (lost[which] as number) + (sum - total + value)
  else lost[which] = (lost[which] as number) + (value - total + sum)
  sums[which] = total
}

/** The line of least squares through a window's samples, its intercept taken at `atMs`. Sets `line`. */
function regress({ times, values }: RangeRow, low: number, high: number, atMs: number): void {
  const firstValue = values[low] as number
  let constant = true
  sums.fill(0)
  lost.fill(0)
  for (let i = low; i < high; i++) {
    const y = values[i] as number
    if (i > low && y !== firstValue) constant = false
    const x = ((times[i] as number) - atMs) / 1e3
    add(0, x)
    add(1, y)
    add(2, x * y)
    add(3, x * x)
  }
  if (constant) {
    const finite = firstValue !== Infinity && firstValue !== -Infinity
    line.slope = finite ? 0 : Number.NaN
    line.intercept = finite ? firstValue : Number.NaN
    return
  }
  const n = high - low
  for (let which = 0; which < 4; which++) sums[which] = (sums[which] as number) + (lost[which] as number)
  const [sumX, sumY, sumXY, sumX2] = sums as unknown as [number, number, number, number]
  line.slope = (sumXY - (sumX * sumY) / n) / (sumX2 - (sumX * sumX) / n)
  line.intercept = sumY / n - (line.slope * sumX) / n
}

const line = { slope: 0, intercept: 0 }

export const regressionFunctions: Readonly<Record<string, RangeFunction>> = {
  // The intercept's time is one near the samples, which keeps the sums small.
  deriv: eachWindow(2, (row, low, high) => {
    regress(row, low, high, row.times[low] as number)
    return line.slope
  }),
  predict_linear: eachWindow(2, (row, low, high, step, { stepTimes, parameter }) => {
    regress(row, low, high, stepTimes[step] as number)
    return line.slope * (parameter?.[step] ?? Number.NaN) + line.intercept
  }),
}
