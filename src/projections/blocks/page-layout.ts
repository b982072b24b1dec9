import { CorruptionError } from '../../domain/errors.ts'

/**
 * How a page lies on disk (docs/formats/page.md). All numbers little endian.
 *
 *   0  u32 crc32 of everything after it      16 f64 least time, ms
 *   4  u32 magic "TMP1"                      24 f64 greatest time, ms
 *   8  u32 series                            32 u32 raw length, u32 stored length; for each of SECTIONS sections
 *   12 u32 samples                           .. the sections, one after the other
 *
 * A section whose stored length is less than its raw length is zstd.
 */
export const PAGE_MAGIC = 0x31504d54
export const SECTIONS_AT = 32
/** Directory, widths, planes 0 to 7. */
export const SECTIONS = 10
export const PAGE_HEADER_BYTES = SECTIONS_AT + 8 * SECTIONS

/** How a series' values are kept. */
export const ValuesKind = { decimal: 0, bits: 1 } as const
/** Bytes of a series' identity. */
export const IDENTITY_BYTES = 16

/** Reads the directory of a page; every step is bounded. */
export class DirectoryReader {
  readonly #bytes: Uint8Array
  readonly #where: string
  at = 0

  constructor(bytes: Uint8Array, where: string) {
    this.#bytes = bytes
    this.#where = where
  }

  byte(): number {
    this.#need(1)
    return this.#bytes[this.at++]
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  zigzag(): number {
    const folded = this.varint()
    return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2
  }

  take(count: number): Uint8Array {
    this.#need(count)
    this.at += count
    return this.#bytes.subarray(this.at - count, this.at)
  }

  #need(count: number): void {
    if (this.at + count > this.#bytes.length)
      throw new CorruptionError(`page ${this.#where}: its directory ends at byte ${this.#bytes.length}, in the middle of an entry`)
  }
}
