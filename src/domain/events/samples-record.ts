/**
 * One record of topic `tidemark.samples`: series declarations, metadata and samples in columns. Byte by byte in
 * docs/formats/samples-record.md; written by samples-record-encoder.ts. This file holds the record's words and its decoder:
 * 1. read the fixed head, refuse another magic or a newer version;
 * 2. read the symbols (each string once), then declarations and metadata that point into them;
 * 3. read the number and time columns, each as runs or one by one;
 * 4. check that the control bytes add up to the value bytes that are there, then read values without any further check.
 * Nothing is allocated per sample, and nothing is allocated by a count before the bytes that it promises are known to be there.
 */
import { CorruptionError, EngineError } from '../errors.ts'
import { Labels } from '../labels.ts'
import type { MetricMetadata } from '../ports/metadata-view.ts'
import { SamplesColumns } from './samples-columns.ts'

export { SamplesColumns }

export const SAMPLES_RECORD_VERSION = 1
export const SESSION_BYTES = 16
export const IDENTITY_BYTES = 16

/** The producer's number for a series, from this record on, in its session and partition. */
export interface SeriesDeclared {
  readonly number: number
  /** 128 bits of SHA-256 over the canonical labels: the same in log, store, archive and API. */
  readonly identity: Uint8Array
  readonly labels: Labels
}

export interface SamplesRecord {
  /** 32 hexadecimal digits. */
  readonly session: string
  readonly declarations: readonly SeriesDeclared[]
  readonly metadata: readonly MetricMetadata[]
  readonly sampleCount: number
}

export const MAGIC = [0x54, 0x4d, 0x53] as const
/** A metadata's type by its code on the wire; codes are only ever added. */
export const METADATA_TYPES: readonly MetricMetadata['type'][] = [
  'unknown',
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
]
export const COLUMN_RUNS = 0
export const COLUMN_EACH = 1
/** The scale in a control byte that says: 64 raw bits follow. */
export const SCALE_RAW = 15
/** After the last value's bytes, so that a reader may load 8 bytes at any value. */
export const PAD_BYTES = 8
/** Times beyond this can't be written: a delta of two must stay an exact integer. */
export const TIME_ABS_MAX = 2 ** 51

export const POW10 = Float64Array.from({ length: SCALE_RAW }, (_, scale) => 10 ** scale)

/** Of a control byte, how many value bytes it stands for. */
const valueBytes = Uint8Array.from({ length: 256 }, (_, control) => (((control >>> 3) & 15) === SCALE_RAW ? 8 : control & 7))
/** Of a count of value bytes (0-7), which bits of two 32-bit loads are the value's. */
const lowMask = Int32Array.from([0, 0xff, 0xffff, 0xffffff, -1, -1, -1, -1])
const highMask = Int32Array.from([0, 0, 0, 0, 0, 0xff, 0xffff, 0xffffff])

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Decodes a whole record. The samples replace what `into` held.
 * @throws CorruptionError naming the byte; EngineError `SCHEMA_NEWER` when a newer Tidemark wrote it.
 */
export function decodeSamplesRecord(payload: Uint8Array, into: SamplesColumns): SamplesRecord {
  const reader = new Reader(payload)
  into.count = 0
  reader.need(4 + SESSION_BYTES, 'head')
  for (let i = 0; i < 3; i++) if (reader.byte() !== MAGIC[i]) reader.fail('not a samples record: bad magic', i)
  const version = reader.byte()
  if (version > SAMPLES_RECORD_VERSION) {
    throw new EngineError(
      'SCHEMA_NEWER',
      `samples record has schema version ${version}, this Tidemark knows up to ${SAMPLES_RECORD_VERSION}`,
      {
        retryable: false,
      },
    )
  }
  if (version !== 1) reader.fail(`schema version ${version} does not exist`, 3)
  const session = hex(reader.take(SESSION_BYTES))
  const sampleCount = reader.count('samples', 1)
  const declarationCount = reader.count('declarations', 2 + IDENTITY_BYTES)
  const metadataCount = reader.count('metadata', 4)
  const symbols = readSymbols(reader)
  const declarations = readDeclarations(reader, declarationCount, symbols)
  const metadata = readMetadata(reader, metadataCount, symbols)
  if (sampleCount > 0) {
    into.reserve(sampleCount)
    readNumbers(reader, into.numbers, sampleCount)
    readTimes(reader, into.times, sampleCount)
    readValues(reader, into, sampleCount)
    into.count = sampleCount
  }
  if (reader.at !== payload.length) reader.fail(`${payload.length - reader.at} bytes after the end`)
  return { session, declarations, metadata, sampleCount }
}

function readSymbols(reader: Reader): string[] {
  const count = reader.count('symbols', 1)
  const symbols: string[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const at = reader.at
    const bytes = reader.take(reader.varint())
    try {
      symbols[i] = utf8.decode(bytes)
    } catch (cause) {
      throw new CorruptionError(`samples record: symbol ${i} is not UTF-8 at byte ${at}`, { cause })
    }
  }
  return symbols
}

function readDeclarations(reader: Reader, count: number, symbols: readonly string[]): SeriesDeclared[] {
  const declarations: SeriesDeclared[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const number = reader.varint()
    if (number > 0xffffffff) reader.fail(`series number ${number} is over 32 bits`)
    const identity = reader.take(IDENTITY_BYTES).slice()
    const labelCount = reader.count('labels', 2)
    const pairs: string[] = new Array(2 * labelCount)
    let before = ''
    for (let j = 0; j < labelCount; j++) {
      const name = reader.symbol(symbols)
      const value = reader.symbol(symbols)
      if (j > 0 && name <= before) reader.fail(`labels out of order: ${JSON.stringify(name)} after ${JSON.stringify(before)}`)
      if (value === '') reader.fail(`label ${JSON.stringify(name)} is empty`)
      pairs[2 * j] = name
      pairs[2 * j + 1] = value
      before = name
    }
    declarations[i] = { number, identity, labels: Labels.fromSortedPairs(pairs) }
  }
  return declarations
}

function readMetadata(reader: Reader, count: number, symbols: readonly string[]): MetricMetadata[] {
  const metadata: MetricMetadata[] = new Array(count)
  for (let i = 0; i < count; i++) {
    const metric = reader.symbol(symbols)
    const code = reader.byte()
    const type = METADATA_TYPES[code] ?? reader.fail(`metadata type ${code} does not exist`, reader.at - 1)
    metadata[i] = { metric, type, help: reader.symbol(symbols), unit: reader.symbol(symbols) }
  }
  return metadata
}

function readNumbers(reader: Reader, numbers: Uint32Array, count: number): void {
  const mode = reader.byte()
  let expected = 0
  if (mode === COLUMN_RUNS) {
    const runs = reader.count('runs', 2)
    let filled = 0
    for (let run = 0; run < runs; run++) {
      const first = expected + reader.zigzag()
      const length = reader.varint() + 1
      expected = first + length
      if (length > count - filled) reader.fail(`runs of series numbers hold more than ${count} samples`)
      if (first < 0 || expected > 2 ** 32) reader.fail(`series number ${first < 0 ? first : expected - 1} is not one of 32 bits`)
      for (let i = 0; i < length; i++) numbers[filled + i] = first + i
      filled += length
    }
    if (filled !== count) reader.fail(`runs of series numbers hold ${filled} samples of ${count}`)
  } else if (mode === COLUMN_EACH) {
    for (let i = 0; i < count; i++) {
      const number = expected + reader.zigzag()
      if (number < 0 || number > 0xffffffff) reader.fail(`series number ${number} is not one of 32 bits`)
      numbers[i] = number
      expected = number + 1
    }
  } else reader.fail(`number column of mode ${mode}`, reader.at - 1)
}

function readTimes(reader: Reader, times: Float64Array, count: number): void {
  const mode = reader.byte()
  let time = 0
  if (mode === COLUMN_RUNS) {
    const runs = reader.count('runs', 2)
    let filled = 0
    for (let run = 0; run < runs; run++) {
      time += reader.zigzag()
      const length = reader.varint() + 1
      if (length > count - filled) reader.fail(`runs of times hold more than ${count} samples`)
      if (!(Math.abs(time) <= TIME_ABS_MAX)) reader.fail(`time ${time} is out of range`)
      times.fill(time, filled, filled + length)
      filled += length
    }
    if (filled !== count) reader.fail(`runs of times hold ${filled} samples of ${count}`)
  } else if (mode === COLUMN_EACH) {
    for (let i = 0; i < count; i++) {
      time += reader.zigzag()
      if (!(Math.abs(time) <= TIME_ABS_MAX)) reader.fail(`time ${time} is out of range`)
      times[i] = time
    }
  } else reader.fail(`time column of mode ${mode}`, reader.at - 1)
}

function readValues(reader: Reader, into: SamplesColumns, count: number): void {
  const control = reader.take(count)
  const total = reader.varint()
  let sum = 0
  for (let i = 0; i < count; i++) sum += valueBytes[control[i]]!
  if (sum !== total) reader.fail(`control bytes stand for ${sum} value bytes, not ${total}`)
  const start = reader.at
  reader.need(total + PAD_BYTES, 'values')
  fillValues(control, reader.view, start, into.values, into.valueBits, count)
  reader.at = start + total
  for (const byte of reader.take(PAD_BYTES)) if (byte !== 0) reader.fail('padding is not zero')
}

function fillValues(control: Uint8Array, view: DataView, start: number, values: Float64Array, bits: Uint32Array, count: number): void {
  let at = start
  for (let i = 0; i < count; i++) {
    const c = control[i]
    const scale = (c >>> 3) & 15
    const low = view.getUint32(at, true)
    const high = view.getUint32(at + 4, true)
    if (scale === SCALE_RAW) {
      bits[2 * i] = low
      bits[2 * i + 1] = high
      at += 8
      continue
    }
    const length = c & 7
    const mantissa = (high & highMask[length]) * 4294967296 + ((low & lowMask[length]) >>> 0)
    const value = scale === 0 ? mantissa : mantissa / POW10[scale]
    values[i] = c >= 128 ? -value : value
    at += length
  }
}

/** Reads on through a payload; whatever is not there is a CorruptionError with the byte. */
class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  fail(message: string, at = this.at): never {
    throw new CorruptionError(`samples record: ${message} at byte ${at}`)
  }

  need(bytes: number, what: string): void {
    if (bytes > this.bytes.length - this.at) this.fail(`${what} of ${bytes} bytes, ${this.bytes.length - this.at} are left`)
  }

  byte(): number {
    if (this.at >= this.bytes.length) this.fail('ends too early')
    return this.bytes[this.at++]
  }

  take(length: number): Uint8Array {
    this.need(length, 'field')
    const start = this.at
    this.at += length
    return this.bytes.subarray(start, this.at)
  }

  /** Up to 2^53 - 1. */
  varint(): number {
    const first = this.byte()
    if (first < 128) return first
    let value = first & 127
    let factor = 128
    for (let i = 1; i < 8; i++) {
      const next = this.byte()
      value += (next & 127) * factor
      if (next < 128) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      factor *= 128
    }
    return this.fail('variable-length integer is over 53 bits')
  }

  zigzag(): number {
    const value = this.varint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** A count of things that take at least `bytesMin` each: never more than can be there. */
  count(what: string, bytesMin: number): number {
    const at = this.at
    const count = this.varint()
    if (count * bytesMin > this.bytes.length - this.at) this.fail(`${count} ${what} can't be in ${this.bytes.length - this.at} bytes`, at)
    return count
  }

  symbol(symbols: readonly string[]): string {
    const at = this.at
    const index = this.varint()
    return symbols[index] ?? this.fail(`symbol ${index} of ${symbols.length}`, at)
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function hex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += HEX[byte]
  return text
}
