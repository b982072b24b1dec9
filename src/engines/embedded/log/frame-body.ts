/**
 * The body of a frame: its records one after another, each
 *   varint partition | varint bytes of headers | varint bytes of payload | headers | payload
 * and headers are pairs of strings, each varint bytes | UTF-8. A record's offset is its partition's first, as
 * the header tells it, plus its place among the frame's records of that partition.
 */
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { CorruptionError } from '../../../domain/errors.ts'
import type { LogRecord, RecordHeaders, RecordToAppend } from '../../../domain/ports/event-log.ts'
import { invariant } from '../../../stdx/invariant.ts'
import type { FrameHeader } from './frame.ts'

/** A body smaller than this isn't compressed: the call costs more than it saves. */
export const COMPRESS_BYTES_MIN = 4096
/** Up to here compressing at once is cheaper than a trip to another thread. */
const COMPRESS_HERE_BYTES_MAX = 16 * 1024
const VARINT_BYTES_MAX = 5
const zstdParams = { [constants.ZSTD_c_compressionLevel]: 1 }

/** What records will take before compression: an upper bound, cheap to know. */
export function rawBytesBound(records: readonly RecordToAppend[]): number {
  let bytes = 0
  for (const { headers, payload } of records) {
    bytes += 3 * VARINT_BYTES_MAX + payload.length
    for (const name in headers) bytes += 2 * VARINT_BYTES_MAX + 3 * (name.length + (headers[name] as string).length)
  }
  return bytes
}

/** Lays out records; `bytesBound` is the sum of their `rawBytesBound`. */
export function encodeBody(records: Iterable<RecordToAppend>, bytesBound: number): Buffer {
  const out = Buffer.allocUnsafe(bytesBound)
  let at = 0
  for (const { partition, headers, payload } of records) {
    at = writeVarint(out, partition, at)
    let headersBytes = 0
    for (const name in headers) {
      headersBytes += stringBytes(name) + stringBytes(headers[name] as string)
    }
    at = writeVarint(out, headersBytes, at)
    at = writeVarint(out, payload.length, at)
    for (const name in headers) {
      at = writeString(out, name, at)
      at = writeString(out, headers[name] as string, at)
    }
    out.set(payload, at)
    at += payload.length
  }
  return out.subarray(0, at)
}

/** Compresses away from this thread. @returns null when it doesn't pay */
export async function compressBody(raw: Uint8Array): Promise<Uint8Array | null> {
  if (raw.length < COMPRESS_BYTES_MIN) return null
  // One chunk large enough for all: the output is made once and not put together.
  const options = { params: zstdParams, chunkSize: raw.length + 1024 }
  const packed =
    raw.length <= COMPRESS_HERE_BYTES_MAX
      ? zstdCompressSync(raw, options)
      : await new Promise<Buffer>((resolve, reject) => {
          zstdCompress(raw, options, (error, result) => (error ? reject(error) : resolve(result)))
        })
  return packed.length < raw.length ? packed : null
}

/** @returns the records from `wanted[partition]` on; a partition with no entry isn't wanted. The payloads are views of the body. */
export function decodeBody(header: FrameHeader, stored: Buffer, wanted: ReadonlyMap<number, number>, place: string): LogRecord[] {
  let body = stored
  if (header.zstd) {
    try {
      body = zstdDecompressSync(stored, { maxOutputLength: header.rawBytes, chunkSize: Math.max(header.rawBytes, 64) })
    } catch (cause) {
      throw new CorruptionError(`${place}: body doesn't decompress`, { cause })
    }
  }
  if (body.length !== header.rawBytes) throw new CorruptionError(`${place}: body has ${body.length} bytes, expected ${header.rawBytes}`)
  const reader = new VarintReader(body)
  const taken: number[] = new Array(header.counts.length).fill(0)
  const records: LogRecord[] = []
  while (reader.at < body.length) {
    const partition = reader.next()
    const headersBytes = reader.next()
    const payloadBytes = reader.next()
    const headersAt = reader.at
    const payloadAt = headersAt + headersBytes
    const first = header.firsts[partition]
    if (first === undefined || payloadAt + payloadBytes > body.length) throw new CorruptionError(`${place}: body is not records`)
    const offset = first + taken[partition]!++
    reader.at = payloadAt + payloadBytes
    if (offset < (wanted.get(partition) ?? Infinity)) continue
    records.push(
      new FrameRecord(partition, offset, header.appendedMs, body.subarray(headersAt, payloadAt), body.subarray(payloadAt, reader.at)),
    )
  }
  for (const [partition, count] of header.counts.entries()) {
    if (taken[partition] !== count)
      throw new CorruptionError(`${place}: ${taken[partition]} records of partition ${partition}, expected ${count}`)
  }
  return records
}

/** Headers are read only when someone asks for them. */
class FrameRecord implements LogRecord {
  readonly partition: number
  readonly offset: number
  readonly appendedMs: number
  readonly payload: Uint8Array
  readonly #headerBytes: Buffer

  constructor(partition: number, offset: number, appendedMs: number, headerBytes: Buffer, payload: Uint8Array) {
    this.partition = partition
    this.offset = offset
    this.appendedMs = appendedMs
    this.#headerBytes = headerBytes
    this.payload = payload
  }

  get headers(): RecordHeaders {
    const headers: Record<string, string> = {}
    const reader = new VarintReader(this.#headerBytes)
    while (reader.at < this.#headerBytes.length) {
      const name = reader.string()
      headers[name] = reader.string()
    }
    return headers
  }
}

class VarintReader {
  at = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  next(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.at++]
      if (byte === undefined) throw new CorruptionError('log frame: body ends within a number')
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new CorruptionError('log frame: number over 5 bytes')
  }

  string(): string {
    const bytes = this.next()
    const text = this.#bytes.toString('utf8', this.at, this.at + bytes)
    this.at += bytes
    return text
  }
}

function writeVarint(out: Buffer, value: number, at: number): number {
  invariant(value >= 0 && value < 2 ** 32, 'lengths are of 32 bits')
  while (value >= 0x80) {
    out[at++] = (value % 128) | 0x80
    value = Math.floor(value / 128)
  }
  out[at++] = value
  return at
}

function varintBytes(value: number): number {
  let bytes = 1
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes++
  return bytes
}

function stringBytes(text: string): number {
  const bytes = Buffer.byteLength(text)
  return varintBytes(bytes) + bytes
}

function writeString(out: Buffer, text: string, at: number): number {
  const start = writeVarint(out, Buffer.byteLength(text), at)
  return start + out.write(text, start)
}
