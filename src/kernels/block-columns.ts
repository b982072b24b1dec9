/**
 * Columns of whole numbers as bytes that pack well: what times and scaled values of blocks are made of.
 *
 * 1. Predict each number: by the one before (`delta`: it moved by about `center`), by a constant (`level`: it is about `center`), or by
 *    a line (`line`: it is about first + i * center).
 * 2. What is left is divided by its greatest common divisor, made non-negative (zigzag), and cut into bytes.
 * 3. Byte p of every number goes to plane p: low bytes are noise, high bytes nearly always the same, and each plane packs by itself.
 *    In mini-blocks of 64 numbers only as many planes are written as the largest needs, so an outlier widens 64 numbers, not all.
 *
 * Numbers are doubles that hold integers up to 2^51 in magnitude, so that differences, twice, are exact.
 */
export const COLUMN_INTEGER_MAX = 2 ** 51
/** What a prediction may leave: its zigzag is at most 2^53. */
const REST_MAX = 2 ** 52
export const MINI_BLOCK = 64
export const PLANES = 8

export const ColumnMode = { delta: 0, level: 1, line: 2 } as const
export type ColumnMode = (typeof ColumnMode)[keyof typeof ColumnMode]

/** What has to be known beside the planes to read a column again. */
export interface ColumnMeta {
  mode: ColumnMode
  first: number
  center: number
  divisor: number
}

/** Bytes that grow. */
export class ByteBuffer {
  bytes = new Uint8Array(1024)
  length = 0

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(this.length + count, 2 * this.bytes.length))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
  }

  /** A non-negative integer up to 2^53, 7 bits a byte, least first. */
  varint(value: number): void {
    this.reserve(8)
    let large = value
    while (large >= 0x80000000) {
      // `& 0x7f` takes the lowest bits of any exact integer, without a division.
      this.bytes[this.length++] = (large & 0x7f) | 0x80
      large = Math.floor(large / 0x80)
    }
    let rest = large | 0
    while (rest >= 0x80) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.length++] = rest
  }

  zigzag(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value)
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }
}

const SAMPLED = 31

/** Writes columns into planes. */
export class ColumnEncoder {
  readonly widths = new ByteBuffer()
  readonly planes = Array.from({ length: PLANES }, () => new ByteBuffer())
  readonly meta: ColumnMeta = { mode: ColumnMode.delta, first: 0, center: 0, divisor: 1 }
  #rest = new Float64Array(1024)
  #folded = new Int32Array(1024)
  readonly #sample = new Float64Array(SAMPLED)

  /** Bytes in all planes. */
  get bytes(): number {
    let bytes = this.widths.length
    for (const plane of this.planes) bytes += plane.length
    return bytes
  }

  clear(): void {
    this.widths.clear()
    for (const plane of this.planes) plane.clear()
  }

  /** Appends numbers[0, count); `meta` tells then how to read them. */
  encode(numbers: Float64Array, count: number): void {
    const { meta } = this
    meta.first = numbers[0]
    meta.mode = ColumnMode.delta
    meta.center = 0
    meta.divisor = 1
    if (this.#rest.length < count) {
      this.#rest = new Float64Array(2 * count)
      this.#folded = new Int32Array(2 * count)
    }
    if (count > 1) this.#predict(numbers, count)
    this.#divide(count)
    this.#write(count)
  }

  /** Chooses the prediction with the least left over, and computes that. */
  #predict(numbers: Float64Array, count: number): void {
    const { meta } = this
    const rest = this.#rest
    const step = this.#median(numbers, count, true)
    const level = this.#median(numbers, count, false)
    let deltaSum = 0
    let levelSum = 0
    let lineSum = 0
    for (let i = 1; i < count; i++) {
      deltaSum += Math.abs(numbers[i] - numbers[i - 1] - step)
      levelSum += Math.abs(numbers[i] - level)
      lineSum += Math.abs(numbers[i] - numbers[0] - i * step)
    }
    // A line that runs away is no prediction: its rest would leave the exact integers.
    if (lineSum < deltaSum && lineSum <= levelSum && lineSum < COLUMN_INTEGER_MAX) {
      meta.mode = ColumnMode.line
      meta.center = step
      for (let i = 1; i < count; i++) rest[i] = numbers[i] - numbers[0] - i * step
    } else if (levelSum < deltaSum || !this.#deltaFits(numbers, count, step, deltaSum)) {
      meta.mode = ColumnMode.level
      meta.center = level
      for (let i = 1; i < count; i++) rest[i] = numbers[i] - level
    } else {
      meta.center = step
      for (let i = 1; i < count; i++) rest[i] = numbers[i] - numbers[i - 1] - step
    }
  }

  /**
   * Steps reach 2^52, and twice that when the centre is the largest of them, which zigzag can't hold exactly. A level never leaves more
   * than 2^52, so it takes what doesn't fit.
   */
  #deltaFits(numbers: Float64Array, count: number, step: number, deltaSum: number): boolean {
    if (deltaSum <= REST_MAX) return true
    for (let i = 1; i < count; i++) if (Math.abs(numbers[i] - numbers[i - 1] - step) > REST_MAX) return false
    return true
  }

  /** About the median of the numbers, or of their steps: of some of them, evenly spread. */
  #median(numbers: Float64Array, count: number, ofSteps: boolean): number {
    const taken = Math.min(SAMPLED, count - 1)
    const sample = this.#sample
    for (let j = 0; j < taken; j++) {
      const i = 1 + Math.floor((j * (count - 1)) / taken)
      sample[j] = ofSteps ? numbers[i] - numbers[i - 1] : numbers[i]
    }
    insertionSort(sample, taken)
    return sample[taken >> 1]
  }

  #divide(count: number): void {
    const rest = this.#rest
    let divisor = 0
    for (let i = 1; i < count && divisor !== 1; i++) {
      const value = Math.abs(rest[i])
      if (value !== 0 && value !== divisor) divisor = commonDivisor(divisor, value)
    }
    if (divisor <= 1) return
    this.meta.divisor = divisor
    for (let i = 1; i < count; i++) rest[i] /= divisor
  }

  #write(count: number): void {
    const rest = this.#rest
    const folded = this.#folded
    this.widths.reserve(Math.ceil(count / MINI_BLOCK))
    for (let start = 1; start < count; start += MINI_BLOCK) {
      const end = Math.min(start + MINI_BLOCK, count)
      // Nearly all are small: their bits, or-ed, tell the width, and what is no 32-bit integer shows.
      let any = 0
      let isSmall = true
      for (let i = start; i < end; i++) {
        const value = rest[i]
        const small = value | 0
        if (small !== value) isSmall = false
        const bits = (small << 1) ^ (small >> 31)
        folded[i] = bits
        any |= bits
      }
      if (isSmall) this.#writeSmall(start, end, (39 - Math.clz32(any)) >>> 3)
      else this.#writeLarge(start, end)
    }
  }

  #writeSmall(start: number, end: number, width: number): void {
    const folded = this.#folded
    this.widths.bytes[this.widths.length++] = width
    for (let p = 0; p < width; p++) {
      const plane = this.planes[p]
      plane.reserve(MINI_BLOCK)
      const { bytes } = plane
      const shift = 8 * p
      let at = plane.length
      for (let i = start; i < end; i++) bytes[at++] = folded[i] >>> shift
      plane.length = at
    }
  }

  #writeLarge(start: number, end: number): void {
    const rest = this.#rest
    let max = 0
    for (let i = start; i < end; i++) {
      const value = rest[i]
      const bits = value < 0 ? -2 * value - 1 : 2 * value
      rest[i] = bits
      if (bits > max) max = bits
    }
    const width = byteWidth(max)
    this.widths.bytes[this.widths.length++] = width
    for (let p = 0; p < width; p++) this.#writePlane(p, start, end)
  }

  #writePlane(p: number, start: number, end: number): void {
    const rest = this.#rest
    const plane = this.planes[p]
    plane.reserve(MINI_BLOCK)
    const { bytes } = plane
    let at = plane.length
    if (p < 4) {
      // `>>> 0` takes the lower 32 bits of any exact integer.
      for (let i = start; i < end; i++) bytes[at++] = (rest[i] >>> 0) >>> (8 * p)
    } else {
      const scale = 2 ** (8 * p)
      for (let i = start; i < end; i++) bytes[at++] = Math.floor(rest[i] / scale)
    }
    plane.length = at
  }
}

function insertionSort(numbers: Float64Array, count: number): void {
  for (let i = 1; i < count; i++) {
    const number = numbers[i]
    let at = i
    while (at > 0 && numbers[at - 1] > number) {
      numbers[at] = numbers[at - 1]
      at--
    }
    numbers[at] = number
  }
}

/** Of integers that are not negative; whole 32-bit ones are divided as such, which takes a tenth of the time. */
function commonDivisor(left: number, right: number): number {
  let a = left
  let b = right
  while (b > 0x7fffffff || a > 0x7fffffff) {
    if (b === 0) return a
    const remainder = a % b
    a = b
    b = remainder
  }
  let smallA = a | 0
  let smallB = b | 0
  while (smallB !== 0) {
    const remainder = smallA % smallB
    smallA = smallB
    smallB = remainder
  }
  return smallA
}

function byteWidth(max: number): number {
  if (max === 0) return 0
  if (max < 0x100) return 1
  if (max < 0x10000) return 2
  if (max < 0x1000000) return 3
  if (max < 0x100000000) return 4
  if (max < 2 ** 40) return 5
  if (max < 2 ** 48) return 6
  return 7
}

/** Where a column's bytes begin in each plane, and its widths. */
export interface ColumnPlace {
  /** First byte by plane. */
  readonly starts: Uint32Array
  readonly widthsStart: number
}

/** Reads a column of `count` numbers into `out`. */
export function decodeColumn(
  meta: ColumnMeta,
  count: number,
  widths: Uint8Array,
  planes: readonly Uint8Array[],
  place: ColumnPlace,
  out: Float64Array,
): void {
  out[0] = meta.first
  const at = place.starts.slice()
  let widthAt = place.widthsStart
  for (let start = 1; start < count; start += MINI_BLOCK) {
    const length = Math.min(MINI_BLOCK, count - start)
    const width = widths[widthAt++]
    readMiniBlock(planes, at, width, out, start, length)
    for (let p = 0; p < width; p++) at[p] += length
  }
  addPrediction(meta, count, out)
}

function readMiniBlock(
  planes: readonly Uint8Array[],
  at: Uint32Array,
  width: number,
  out: Float64Array,
  start: number,
  length: number,
): void {
  if (width === 0) {
    out.fill(0, start, start + length)
    return
  }
  const p0 = planes[0]
  const a0 = at[0]
  if (width === 1) {
    for (let i = 0; i < length; i++) {
      const folded = p0[a0 + i]
      out[start + i] = (folded >>> 1) ^ -(folded & 1)
    }
    return
  }
  const p1 = planes[1]
  const a1 = at[1]
  if (width === 2) {
    for (let i = 0; i < length; i++) {
      const folded = p0[a0 + i] | (p1[a1 + i] << 8)
      out[start + i] = (folded >>> 1) ^ -(folded & 1)
    }
    return
  }
  const p2 = planes[2]
  const a2 = at[2]
  if (width === 3) {
    for (let i = 0; i < length; i++) {
      const folded = p0[a0 + i] | (p1[a1 + i] << 8) | (p2[a2 + i] << 16)
      out[start + i] = (folded >>> 1) ^ -(folded & 1)
    }
    return
  }
  for (let i = 0; i < length; i++) {
    const low = (p0[a0 + i] | (p1[a1 + i] << 8) | (p2[a2 + i] << 16) | (planes[3][at[3] + i] << 24)) >>> 0
    let high = 0
    for (let p = width - 1; p >= 4; p--) high = high * 256 + planes[p][at[p] + i]
    const folded = high * 2 ** 32 + low
    out[start + i] = (low & 1) === 0 ? folded / 2 : -(folded + 1) / 2
  }
}

function addPrediction(meta: ColumnMeta, count: number, out: Float64Array): void {
  const { mode, first, center, divisor } = meta
  if (mode === ColumnMode.delta) {
    let last = first
    for (let i = 1; i < count; i++) {
      last += out[i] * divisor + center
      out[i] = last
    }
  } else if (mode === ColumnMode.level) {
    for (let i = 1; i < count; i++) out[i] = out[i] * divisor + center
  } else {
    for (let i = 1; i < count; i++) out[i] = out[i] * divisor + first + i * center
  }
}
