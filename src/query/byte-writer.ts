/** ASCII and UTF-8 text into a growing array of bytes. The writing code reserves space once for many small writes. */
export class ByteWriter {
  bytes: Uint8Array<ArrayBuffer>
  length = 0

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Makes sure that so many more bytes fit. */
  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.length + count, 2 * this.bytes.length))
    grown.set(this.bytes.subarray(0, this.length))
    this.bytes = grown
  }

  /** Text of ASCII only. */
  ascii(text: string): void {
    this.reserve(text.length)
    const { bytes } = this
    let at = this.length
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.length = at
  }

  utf8(text: string): void {
    this.reserve(3 * text.length)
    this.length += utf8.encodeInto(text, this.bytes.subarray(this.length)).written
  }

  /** What was written; the memory is exactly its own where it can be, so that it can be handed to another thread. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.length)
  }
}

const utf8 = new TextEncoder()
