/**
 * Writes records of topic `tidemark.samples` (docs/formats/samples-record.md). A value is written as a decimal: the least scale at
 * which `round(value * 10^scale) / 10^scale` gives the very same bits, else as its 64 bits. One encoder is used for record after record
 * and allocates only the finished payload.
 */
import { invariant } from '../../stdx/invariant.ts'
import type { Labels } from '../labels.ts'
import type { MetricMetadata } from '../ports/metadata-view.ts'
import type { SamplesColumnsView } from './samples-columns.ts'
import {
  COLUMN_EACH,
  COLUMN_RUNS,
  IDENTITY_BYTES,
  MAGIC,
  METADATA_TYPES,
  PAD_BYTES,
  POW10,
  SAMPLES_RECORD_VERSION,
  SCALE_RAW,
  SESSION_BYTES,
  TIME_ABS_MAX,
} from './samples-record.ts'

const utf8 = new TextEncoder()
const VARINT_BYTES_MAX = 8
/** Scaled values stay below this, so that the product's rounding error is under a half and one test at the greatest scale decides. */
const SCALED_MAX = 2 ** 51
/** By a double's exponent field: the greatest scale at which its scaled value stays below SCALED_MAX; 255 if it is none. */
const scaleMax = Uint8Array.from({ length: 2048 }, (_, exponent) => {
  const above = 2 ** (exponent - 1022)
  let scale = 255
  for (let k = 0; k < SCALE_RAW; k++) if (above * 10 ** k <= SCALED_MAX) scale = k
  return scale
})

export class SamplesRecordEncoder {
  #bytes = new Uint8Array(4096)
  #view = new DataView(this.#bytes.buffer)
  #at = 0
  readonly #session = new Uint8Array(SESSION_BYTES)
  readonly #symbols = new Map<string, number>()
  /** Declarations as a stream of integers, since the symbols that they point to stand before them in the record. */
  readonly #declared: number[] = []
  readonly #identities: Uint8Array[] = []
  readonly #metadata: number[] = []

  /** Begins a record; what was begun and not finished is forgotten. `session` are 16 bytes. */
  begin(session: Uint8Array): void {
    invariant(session.length === SESSION_BYTES, 'a session id has 16 bytes')
    this.#session.set(session)
    this.#symbols.clear()
    this.#declared.length = 0
    this.#identities.length = 0
    this.#metadata.length = 0
  }

  declare(number: number, identity: Uint8Array, labels: Labels): void {
    invariant(identity.length === IDENTITY_BYTES, 'an identity has 16 bytes')
    const pairs = labels.pairs
    this.#declared.push(number, pairs.length / 2)
    for (let i = 0; i < pairs.length; i++) this.#declared.push(this.#symbol(pairs[i]))
    this.#identities.push(identity)
  }

  declareMetadata(metadata: MetricMetadata): void {
    this.#metadata.push(
      this.#symbol(metadata.metric),
      METADATA_TYPES.indexOf(metadata.type),
      this.#symbol(metadata.help),
      this.#symbol(metadata.unit),
    )
  }

  get declarationCount(): number {
    return this.#identities.length
  }

  /** @returns the record's payload, in memory of its own. Times are integers within +-2^51. */
  finish(samples: SamplesColumnsView): Uint8Array {
    this.#at = 0
    this.#writeHead(samples.count)
    if (samples.count > 0) {
      this.#writeNumbers(samples.numbers, samples.count)
      this.#writeTimes(samples.times, samples.count)
      this.#writeValues(samples.values, samples.count)
    }
    return this.#bytes.slice(0, this.#at)
  }

  #symbol(text: string): number {
    let index = this.#symbols.get(text)
    if (index === undefined) {
      index = this.#symbols.size
      this.#symbols.set(text, index)
    }
    return index
  }

  #writeHead(sampleCount: number): void {
    this.#reserve(4 + SESSION_BYTES + 4 * VARINT_BYTES_MAX)
    this.#bytes.set(MAGIC, 0)
    this.#bytes[3] = SAMPLES_RECORD_VERSION
    this.#bytes.set(this.#session, 4)
    this.#at = 4 + SESSION_BYTES
    this.#varint(sampleCount)
    this.#varint(this.#identities.length)
    this.#varint(this.#metadata.length / 4)
    this.#varint(this.#symbols.size)
    for (const symbol of this.#symbols.keys()) this.#writeText(symbol)
    let at = 0
    for (const identity of this.#identities) {
      const labelCount = this.#declared[at + 1]
      this.#reserve(2 * VARINT_BYTES_MAX + IDENTITY_BYTES + 2 * labelCount * VARINT_BYTES_MAX)
      this.#varint(this.#declared[at])
      this.#bytes.set(identity, this.#at)
      this.#at += IDENTITY_BYTES
      this.#varint(labelCount)
      for (let i = 0; i < 2 * labelCount; i++) this.#varint(this.#declared[at + 2 + i])
      at += 2 + 2 * labelCount
    }
    this.#reserve(this.#metadata.length * VARINT_BYTES_MAX)
    for (const field of this.#metadata) this.#varint(field)
  }

  #writeNumbers(numbers: Uint32Array, count: number): void {
    let runs = 1
    for (let i = 1; i < count; i++) if (numbers[i] !== numbers[i - 1] + 1) runs += 1
    // A run costs about two bytes, a number on its own about one.
    const asRuns = 2 * runs <= count + 2
    this.#reserve(1 + VARINT_BYTES_MAX + 2 * VARINT_BYTES_MAX * (asRuns ? runs : count))
    this.#bytes[this.#at++] = asRuns ? COLUMN_RUNS : COLUMN_EACH
    let expected = 0
    if (!asRuns) {
      for (let i = 0; i < count; i++) {
        const number = numbers[i]
        this.#zigzag(number - expected)
        expected = number + 1
      }
      return
    }
    this.#varint(runs)
    for (let i = 0; i < count; ) {
      const first = numbers[i]
      let end = i + 1
      while (end < count && numbers[end] === first + (end - i)) end += 1
      this.#zigzag(first - expected)
      this.#varint(end - i - 1)
      expected = first + (end - i)
      i = end
    }
  }

  #writeTimes(times: Float64Array, count: number): void {
    let runs = 1
    for (let i = 1; i < count; i++) if (times[i] !== times[i - 1]) runs += 1
    const asRuns = 2 * runs <= count + 2
    this.#reserve(1 + VARINT_BYTES_MAX + 2 * VARINT_BYTES_MAX * (asRuns ? runs : count))
    this.#bytes[this.#at++] = asRuns ? COLUMN_RUNS : COLUMN_EACH
    let before = 0
    if (asRuns) this.#varint(runs)
    for (let i = 0; i < count; ) {
      const time = times[i]
      invariant(Math.abs(time) <= TIME_ABS_MAX && Math.floor(time) === time, 'time out of range or not an integer')
      this.#zigzag(time - before)
      before = time
      let end = i + 1
      if (asRuns) {
        while (end < count && times[end] === time) end += 1
        this.#varint(end - i - 1)
      }
      i = end
    }
  }

  #writeValues(values: Float64Array, count: number): void {
    this.#reserve(count + VARINT_BYTES_MAX + 8 * count + PAD_BYTES)
    const control = this.#at
    // The length stands before the bytes that it counts, and they must be written to be counted: written further on, then moved up.
    const start = control + count + VARINT_BYTES_MAX
    const end = encodeValues(values, count, this.#bytes, this.#view, control, start)
    this.#at = control + count
    this.#varint(end - start)
    this.#bytes.copyWithin(this.#at, start, end)
    this.#at += end - start
    this.#bytes.fill(0, this.#at, this.#at + PAD_BYTES)
    this.#at += PAD_BYTES
  }

  #writeText(text: string): void {
    this.#reserve(VARINT_BYTES_MAX + 3 * text.length + VARINT_BYTES_MAX)
    const start = this.#at
    // One byte for the length holds for most; a longer text is written a second time, after its length.
    const { written } = utf8.encodeInto(text, this.#bytes.subarray(start + 1))
    this.#varint(written)
    if (this.#at !== start + 1) utf8.encodeInto(text, this.#bytes.subarray(this.#at))
    this.#at += written
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#at + bytes, 2 * this.#bytes.length))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }

  #varint(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.#bytes[this.#at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#at++] = rest
  }

  #zigzag(value: number): void {
    this.#varint(value >= 0 ? 2 * value : -2 * value - 1)
  }
}

/** @returns where the value bytes end. */
function encodeValues(values: Float64Array, count: number, bytes: Uint8Array, view: DataView, control: number, start: number): number {
  const bits = new Uint32Array(values.buffer, values.byteOffset, 2 * count)
  let at = start
  let hint = 2
  for (let i = 0; i < count; i++) {
    const high = bits[2 * i + 1]
    const most = scaleMax[(high >>> 20) & 0x7ff]
    const value = Math.abs(values[i])
    let mantissa = value
    let scale = 0
    if (most === 255 || Math.floor(value) !== value) {
      scale = most === 255 ? SCALE_RAW : hint <= most && isDecimal(value, hint) ? hint : leastScale(value, most)
      if (scale === SCALE_RAW) {
        bytes[control + i] = SCALE_RAW << 3
        view.setUint32(at, bits[2 * i], true)
        view.setUint32(at + 4, high, true)
        at += 8
        continue
      }
      hint = scale
      mantissa = Math.floor(value * POW10[scale] + 0.5)
    }
    const low = mantissa >>> 0
    const top = (mantissa - low) / 4294967296
    const length = top === 0 ? (39 - Math.clz32(low)) >>> 3 : 4 + ((39 - Math.clz32(top)) >>> 3)
    bytes[control + i] = ((high >>> 31) << 7) | (scale << 3) | length
    view.setUint32(at, low, true)
    view.setUint32(at + 4, top, true)
    at += length
  }
  return at
}

function isDecimal(value: number, scale: number): boolean {
  return Math.floor(value * POW10[scale] + 0.5) / POW10[scale] === value
}

/** A value that is decimal at some scale is so at every greater one, as long as it stays exact: so most are told at the greatest. */
function leastScale(value: number, most: number): number {
  if (!isDecimal(value, most)) return SCALE_RAW
  for (let scale = 1; scale < most; scale++) if (isDecimal(value, scale)) return scale
  return most
}
