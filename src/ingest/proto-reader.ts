import { BadRequestError } from './errors.ts'

export const WIRE_VARINT = 0
export const WIRE_64 = 1
export const WIRE_BYTES = 2
export const WIRE_32 = 5

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads protobuf fields of bytes[at, end); whatever is malformed is a BadRequestError with the byte, counted from `base`. */
export class ProtoReader {
  readonly #bytes: Uint8Array
  readonly #buffer: Buffer
  readonly #view: DataView
  readonly #base: number
  readonly #what: string
  at: number
  end: number
  /** Of the field that `next` came to. */
  field = 0
  wire = 0

  constructor(bytes: Uint8Array, at: number, end: number, what: string, base = at) {
    this.#bytes = bytes
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#base = base
    this.#what = what
    this.at = at
    this.end = end
  }

  fail(message: string, at = this.at): never {
    throw new BadRequestError(`${this.#what}: ${message} at byte ${at - this.#base}`)
  }

  /** Reads the next field's tag. @returns false at the end */
  next(): boolean {
    if (this.at >= this.end) return false
    const at = this.at
    const tag = this.varint()
    this.field = Math.floor(tag / 8)
    this.wire = tag % 8
    if (this.field === 0 || this.field > 0x1fffffff) this.fail(`field number ${this.field}`, at)
    return true
  }

  /** An unsigned varint; beyond 2^53 it is no longer exact. */
  varint(): number {
    let value = 0
    for (let factor = 1, i = 0; i < 10; i++, factor *= 128) {
      if (this.at >= this.end) this.fail('ends within a varint')
      const byte = this.#bytes[this.at++]
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
    return this.fail('varint of more than 10 bytes')
  }

  /** A varint that is a signed 64-bit integer; beyond 2^53 it is no longer exact. */
  int64(): number {
    const start = this.at
    const value = this.varint()
    // Only 10 bytes reach the sign, which is the lowest bit of the last.
    if (this.at - start < 10 || (this.#bytes[this.at - 1] & 1) === 0) return value
    // The bits of a negative number would be lost in a double; its complement is small and exact.
    let complement = 0
    for (let factor = 1, at = start; at < this.at - 1; at++, factor *= 128) complement += (~this.#bytes[at] & 127) * factor
    return -complement - 1
  }

  /** Enters a length-delimited field. @returns where it ends; `at` is where it begins */
  length(): number {
    const at = this.at
    const length = this.varint()
    if (length > this.end - this.at) this.fail(`field ${this.field} of ${length} bytes, ${this.end - this.at} are left`, at)
    return this.at + length
  }

  /** The two halves of a 64-bit field, the low one first. */
  fixed64(): [number, number] {
    if (this.at + 8 > this.end) this.fail('ends within 64 bits')
    const halves: [number, number] = [this.#view.getUint32(this.at, true), this.#view.getUint32(this.at + 4, true)]
    this.at += 8
    return halves
  }

  /** The text of a length-delimited field; null if it is not UTF-8. */
  text(): string | null {
    const end = this.length()
    const start = this.at
    this.at = end
    const text = asciiText(this.#buffer, start, end)
    if (text !== null) return text
    try {
      return strict.decode(this.#bytes.subarray(start, end))
    } catch {
      return null
    }
  }

  skip(): void {
    switch (this.wire) {
      case WIRE_VARINT:
        this.varint()
        return
      case WIRE_64:
        this.fixed64()
        return
      case WIRE_BYTES:
        this.at = this.length()
        return
      case WIRE_32:
        if (this.at + 4 > this.end) this.fail('ends within 32 bits')
        this.at += 4
        return
      default:
        this.fail(`wire type ${this.wire} of field ${this.field}`)
    }
  }

  expect(wire: number, what: string): void {
    if (this.wire !== wire) this.fail(`${what} has wire type ${this.wire}, not ${wire}`)
  }
}

/** Texts seen lately, by a hash of their bytes: of a label set's names and values most stand in the next one too. */
const recent: (string | undefined)[] = new Array(8192).fill(undefined)
const RECENT_LENGTH_MAX = 64

function asciiText(buffer: Buffer, start: number, end: number): string | null {
  let any = 0
  let hash = end - start
  for (let i = start; i < end; i++) {
    const byte = buffer[i]
    any |= byte
    hash = Math.imul(hash ^ byte, 0x01000193)
  }
  if (any > 127) return null
  if (end - start > RECENT_LENGTH_MAX) return buffer.toString('latin1', start, end)
  const slot = (hash ^ (hash >>> 15)) & 8191
  const known = recent[slot]
  if (known !== undefined && known.length === end - start && holds(buffer, start, known)) return known
  const text = buffer.toString('latin1', start, end)
  recent[slot] = text
  return text
}

function holds(buffer: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (buffer[start + i] !== text.charCodeAt(i)) return false
  return true
}
