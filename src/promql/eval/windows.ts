/** The first index whose time is after `timeMs`, at least `from`. */
export function upperBound(times: Float64Array, timeMs: number, from = 0): number {
  let low = from
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((times[middle] as number) <= timeMs) low = middle + 1
    else high = middle
  }
  return low
}

/** For each step, the newest sample in (ref - lookback, ref]. Worked out once for series that share their times. */
export class LookbackWindows {
  readonly #refs: Float64Array
  readonly #lookbackMs: number
  readonly #newest: Int32Array
  #times: Float64Array | null = null

  /** `refs` are the times looked up at, ascending. */
  constructor(refs: Float64Array, lookbackMs: number) {
    this.#refs = refs
    this.#lookbackMs = lookbackMs
    this.#newest = new Int32Array(refs.length)
  }

  /** An index into `times` a step, -1 where there is none. Valid until the next call. */
  of(times: Float64Array): Int32Array {
    const newest = this.#newest
    if (times === this.#times) return newest
    this.#times = times
    const refs = this.#refs
    const length = times.length
    let next = refs.length > 0 ? upperBound(times, refs[0] as number) : 0
    for (let k = 0; k < refs.length; k++) {
      const ref = refs[k] as number
      while (next < length && (times[next] as number) <= ref) next++
      newest[k] = next > 0 && (times[next - 1] as number) > ref - this.#lookbackMs ? next - 1 : -1
    }
    return newest
  }
}

/** For each step, the samples in (end - range, end]: indexes [low, high). Worked out once for series that share their times. */
export class RangeWindows {
  readonly low: Int32Array
  readonly high: Int32Array
  /** Samples over all windows, those in several windows counted in each. */
  total = 0
  /** Samples of the fullest window. */
  widest = 0
  readonly #ends: Float64Array
  readonly #rangeMs: number
  #times: Float64Array | null = null

  /** `ends` are ascending. */
  constructor(ends: Float64Array, rangeMs: number) {
    this.#ends = ends
    this.#rangeMs = rangeMs
    this.low = new Int32Array(ends.length)
    this.high = new Int32Array(ends.length)
  }

  /** Sets `low` and `high` for these times. */
  over(times: Float64Array): void {
    if (times === this.#times) return
    this.#times = times
    const ends = this.#ends
    const length = times.length
    let low = ends.length > 0 ? upperBound(times, (ends[0] as number) - this.#rangeMs) : 0
    let high = ends.length > 0 ? upperBound(times, ends[0] as number, low) : 0
    let total = 0
    let widest = 0
    for (let k = 0; k < ends.length; k++) {
      const end = ends[k] as number
      while (high < length && (times[high] as number) <= end) high++
      while (low < high && (times[low] as number) <= end - this.#rangeMs) low++
      this.low[k] = low
      this.high[k] = high
      total += high - low
      if (high - low > widest) widest = high - low
    }
    this.total = total
    this.widest = widest
  }
}
