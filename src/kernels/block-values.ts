import { COLUMN_INTEGER_MAX } from './block-columns.ts'

/**
 * Values of a chunk as whole numbers. Most are decimals: the smallest k is found for which every value times 10^k is an integer, and
 * divided again gives the very same bits. What is no such decimal (NaN of any payload, infinities, -0, too large or too precise) is an
 * exception, kept as bits beside; where too many are, the chunk keeps all its bits.
 */
export const DECIMALS_MAX = 12
const POWERS = Float64Array.from({ length: DECIMALS_MAX + 1 }, (_, k) => 10 ** k)
/** One in so many values may be an exception. */
const EXCEPTIONS_SHARE = 16

/** Scaled values and exceptions of one chunk; reused from chunk to chunk. */
export class ScaledValues {
  integers = new Float64Array(1024)
  decimals = 0
  exceptions: number[] = []

  /** Scales values[start, end). @returns false when the chunk is to keep its bits */
  scale(values: Float64Array, start: number, end: number): boolean {
    const count = end - start
    if (this.integers.length < count) this.integers = new Float64Array(2 * count)
    this.exceptions.length = 0
    this.decimals = 0
    const exceptionsMax = Math.floor(count / EXCEPTIONS_SHARE + 1)
    let isDone = false
    while (!isDone) isDone = this.#scaleWith(values, start, end, exceptionsMax)
    return this.exceptions.length <= exceptionsMax
  }

  /** One pass with the decimals known so far; gives up at one exception too many. @returns false when a value needs more decimals */
  #scaleWith(values: Float64Array, start: number, end: number, exceptionsMax: number): boolean {
    const { integers } = this
    const power = POWERS[this.decimals]
    this.exceptions.length = 0
    let last = 0
    for (let i = start; i < end; i++) {
      const value = values[i]
      const scaled = Math.round(value * power)
      if (scaled / power === value && scaled <= COLUMN_INTEGER_MAX && scaled >= -COLUMN_INTEGER_MAX && (scaled !== 0 || 1 / value > 0)) {
        integers[i - start] = scaled
        last = scaled
        continue
      }
      const decimals = decimalsOf(value, this.decimals + 1)
      if (decimals !== -1) {
        this.decimals = decimals
        return false
      }
      // It takes the place of the one before, which costs the least.
      this.exceptions.push(i - start)
      if (this.exceptions.length > exceptionsMax) return true
      integers[i - start] = last
    }
    return true
  }
}

/** The smallest number of decimals from `least` on that holds a value, -1 if none does. */
function decimalsOf(value: number, least: number): number {
  if (!Number.isFinite(value) || value === 0) return -1
  for (let k = least; k <= DECIMALS_MAX; k++) {
    const scaled = Math.round(value * POWERS[k])
    if (Math.abs(scaled) > COLUMN_INTEGER_MAX) return -1
    if (scaled / POWERS[k] === value) return k
  }
  return -1
}

/** Turns whole numbers into values again, in place. */
export function unscale(numbers: Float64Array, decimals: number): void {
  if (decimals === 0) {
    // An integer -0 can't be: 0 - 0 is 0.
    return
  }
  const power = POWERS[decimals]
  for (let i = 0; i < numbers.length; i++) numbers[i] /= power
}
