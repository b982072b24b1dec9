/** 2^-104: what an addition of two doubled numbers can lose of the greater one, with room to spare. */
const LOSS = 2 ** -104
/** 2^-60: below this share, a loss does not reach the last bit of a sum. */
const SHARE = 2 ** -60

/**
 * Sums of many overlapping windows from running totals, each kept as two numbers (value and rest, about 106 bits), so that the
 * difference of two totals is as exact as adding up the window. Where it might not be (a huge value in the totals, or a window that
 * cancels out), the window is to be added up by itself.
 */
export class WindowSums {
  readonly #from: number
  readonly #totals: Float64Array
  readonly #rests: Float64Array
  readonly #lossMax: number

  private constructor(from: number, totals: Float64Array, rests: Float64Array, lossMax: number) {
    this.#from = from
    this.#totals = totals
    this.#rests = rests
    this.#lossMax = lossMax
  }

  /** Totals of values[from, to); null if they are not finite. */
  static over(values: Float64Array, from: number, to: number): WindowSums | null {
    const length = to - from
    const totals = new Float64Array(length + 1)
    const rests = new Float64Array(length + 1)
    let total = 0
    let rest = 0
    let greatest = 0
    for (let i = 0; i < length; i++) {
      const value = values[from + i] as number
      const sum = total + value
      const part = sum - total
      rest += total - (sum - part) + (value - part)
      total = sum + rest
      rest -= total - sum
      totals[i + 1] = total
      rests[i + 1] = rest
      const size = Math.abs(total)
      if (size > greatest) greatest = size
    }
    // NaN and Infinity, once met, stay in the totals.
    if (!Number.isFinite(total)) return null
    return new WindowSums(from, totals, rests, greatest * LOSS * (length + 1))
  }

  /** Sets the sum of values[low, high) and what rounding lost of it. @returns false if the window must be added up by itself. */
  window(low: number, high: number, sums: { sum: number; lost: number }): boolean {
    const i = low - this.#from
    const j = high - this.#from
    const before = this.#totals[i] as number
    const after = this.#totals[j] as number
    const difference = after - before
    const part = difference - after
    const rest = after - (difference - part) - (before + part) + ((this.#rests[j] as number) - (this.#rests[i] as number))
    sums.sum = difference + rest
    sums.lost = rest - (sums.sum - difference)
    return Math.abs(sums.sum) * SHARE >= this.#lossMax
  }
}
