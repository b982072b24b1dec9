/** Samples as columns: sample i is (numbers[i], times[i], values[i]) for i < count; what lies beyond `count` means nothing. */
export interface SamplesColumnsView {
  /** The series, by its number in the record's session and partition. */
  readonly numbers: Uint32Array
  /** Milliseconds since the epoch. */
  readonly times: Float64Array
  /** Values as bits: read NaNs through a Uint32Array over the same memory. */
  readonly values: Float64Array
  readonly count: number
}

/** Columns that grow and are used again and again, so that a record's samples cost no allocation. */
export class SamplesColumns implements SamplesColumnsView {
  numbers: Uint32Array
  times: Float64Array
  values: Float64Array
  /** The memory of `values` as 32-bit halves, low one first. */
  valueBits: Uint32Array
  count = 0

  constructor(capacity = 1024) {
    this.numbers = new Uint32Array(capacity)
    this.times = new Float64Array(capacity)
    this.values = new Float64Array(capacity)
    this.valueBits = new Uint32Array(this.values.buffer)
  }

  /** Makes room for `capacity` samples in all; what is there stays. */
  reserve(capacity: number): void {
    if (capacity <= this.numbers.length) return
    const wanted = Math.max(capacity, 2 * this.numbers.length)
    const numbers = new Uint32Array(wanted)
    const times = new Float64Array(wanted)
    const bits = new Uint32Array(2 * wanted)
    numbers.set(this.numbers.subarray(0, this.count))
    times.set(this.times.subarray(0, this.count))
    bits.set(this.valueBits.subarray(0, 2 * this.count))
    this.numbers = numbers
    this.times = times
    this.valueBits = bits
    this.values = new Float64Array(bits.buffer)
  }

  /** For tests and small callers; a number's NaN payload may be lost on the way here, bits written through `valueBits` are not. */
  push(number: number, time: number, value: number): void {
    this.reserve(this.count + 1)
    this.numbers[this.count] = number
    this.times[this.count] = time
    this.values[this.count] = value
    this.count += 1
  }
}
