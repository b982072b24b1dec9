import type { SampleBatch } from '../../domain/ports/append-samples.ts'
import { METADATA_TYPE_NUMBERS } from './metadata-types.ts'

const encoder = new TextEncoder()
const LITERAL_BYTES_MAX = 65_536

/**
 * A remote write 1.0 body: the protobuf WriteRequest, framed as snappy of literals only. An agent sends some hundred series at a time:
 * what matching would save is not worth its code.
 */
export function encodeWriteRequest(batch: SampleBatch): Uint8Array<ArrayBuffer> {
  const request = new Bytes()
  batch.labels.forEach((labels, i) => {
    const series = new Bytes()
    for (const [name, value] of labels) {
      const label = new Bytes()
      label.string(1, name)
      label.string(2, value)
      series.message(1, label)
    }
    const sample = new Bytes()
    sample.tag(1, 1)
    // Copied as bytes, so that a staleness marker keeps its bits.
    sample.raw(new Uint8Array(batch.values.buffer, batch.values.byteOffset + 8 * i, 8))
    sample.tag(2, 0)
    sample.varint(batch.times[i])
    series.message(2, sample)
    request.message(1, series)
  })
  for (const { metric, type, help, unit } of batch.metadata ?? []) {
    const metadata = new Bytes()
    metadata.tag(1, 0)
    metadata.varint(METADATA_TYPE_NUMBERS[type])
    metadata.string(2, metric)
    metadata.string(4, help)
    metadata.string(5, unit)
    request.message(3, metadata)
  }
  return snappyLiterals(request.take())
}

function snappyLiterals(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Bytes()
  out.varint(bytes.length)
  for (let at = 0; at < bytes.length; at += LITERAL_BYTES_MAX) {
    const part = bytes.subarray(at, at + LITERAL_BYTES_MAX)
    // Tag 61: a literal whose length - 1 stands in the next two bytes.
    out.raw(Uint8Array.of(61 << 2, (part.length - 1) & 0xff, (part.length - 1) >>> 8))
    out.raw(part)
  }
  return out.take()
}

class Bytes {
  #bytes = new Uint8Array(256)
  #length = 0

  tag(field: number, wireType: number): void {
    this.varint((field << 3) | wireType)
  }

  varint(value: number): void {
    this.#reserve(10)
    let rest = value
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80
      rest = Math.floor(rest / 0x80)
    }
    this.#bytes[this.#length++] = rest
  }

  string(field: number, text: string): void {
    const bytes = encoder.encode(text)
    this.tag(field, 2)
    this.varint(bytes.length)
    this.raw(bytes)
  }

  message(field: number, message: Bytes): void {
    this.tag(field, 2)
    this.varint(message.#length)
    this.raw(message.#bytes.subarray(0, message.#length))
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#length + count, 2 * this.#bytes.length))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}
