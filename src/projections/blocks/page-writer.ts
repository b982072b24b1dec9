import { constants, crc32, zstdCompressSync } from 'node:zlib'
import { ByteBuffer, ColumnEncoder, PLANES } from '../../kernels/block-columns.ts'
import { ScaledValues } from '../../kernels/block-values.ts'
import { invariant } from '../../stdx/invariant.ts'
import { PAGE_HEADER_BYTES, PAGE_MAGIC, SECTIONS, SECTIONS_AT, ValuesKind } from './page-layout.ts'

/** A finished page. Times in milliseconds. */
export interface Page {
  readonly bytes: Uint8Array
  readonly seriesCount: number
  readonly sampleCount: number
  readonly minTimeMs: number
  readonly maxTimeMs: number
}

export interface PageWriterOptions {
  /** A page is closed once it has so many bytes before compression; one series may exceed it. */
  readonly pageBytesTarget: number
  /** zstd over each section, where it gains. */
  readonly compress: boolean
}

/** Finds equal time columns by sum and ends first. */
interface TimeColumn {
  readonly times: Float64Array
  readonly index: number
}

const RECENT_COLUMNS = 8
const COMPRESSION = { params: { [constants.ZSTD_c_compressionLevel]: 3 } }

/** Gathers the chunks of many series of one metric into pages. */
export class PageWriter {
  readonly #options: PageWriterOptions
  readonly #pages: Page[] = []
  readonly #columns = new ColumnEncoder()
  readonly #timeEntries = new ByteBuffer()
  readonly #seriesEntries = new ByteBuffer()
  readonly #scaled = new ScaledValues()
  #recent: TimeColumn[] = []
  #timeColumns = 0
  #seriesCount = 0
  #sampleCount = 0
  #minTimeMs = Number.POSITIVE_INFINITY
  #maxTimeMs = Number.NEGATIVE_INFINITY
  /** Columns in order of writing: what the widths and planes hold. */
  readonly #order = new ByteBuffer()

  constructor(options: PageWriterOptions) {
    this.#options = options
  }

  /**
   * Adds samples [start, end) of a series: strictly ascending whole milliseconds, values as bits. A series stands once in a page, unless
   * it is added twice.
   */
  add(identity: Uint8Array, times: Float64Array, values: Float64Array, start: number, end: number): void {
    const count = end - start
    invariant(count > 0, 'a chunk has samples')
    const timeColumn = this.#timeColumn(times.subarray(start, end))
    this.#seriesEntries.append(identity)
    this.#seriesEntries.varint(timeColumn)
    this.#addValues(values, start, end)
    this.#seriesCount++
    this.#sampleCount += count
    this.#minTimeMs = Math.min(this.#minTimeMs, times[start])
    this.#maxTimeMs = Math.max(this.#maxTimeMs, times[end - 1])
    if (this.#columns.bytes + this.#seriesEntries.length >= this.#options.pageBytesTarget) this.#close()
  }

  finish(): Page[] {
    this.#close()
    return this.#pages
  }

  #timeColumn(times: Float64Array): number {
    for (const { times: known, index } of this.#recent) if (isSame(known, times)) return index
    const index = this.#timeColumns++
    // A copy: the caller may use its array again.
    this.#recent.push({ times: times.slice(), index })
    if (this.#recent.length > RECENT_COLUMNS) this.#recent.shift()
    this.#columns.encode(times, times.length)
    this.#timeEntries.varint(times.length)
    this.#writeMeta(this.#timeEntries)
    this.#order.varint(0)
    return index
  }

  #addValues(values: Float64Array, start: number, end: number): void {
    const entries = this.#seriesEntries
    this.#order.varint(1)
    if (!this.#scaled.scale(values, start, end)) {
      entries.varint(ValuesKind.bits)
      this.#addBits(values, start, end)
      return
    }
    const { integers, decimals, exceptions } = this.#scaled
    this.#columns.encode(integers, end - start)
    entries.varint(ValuesKind.decimal)
    entries.varint(decimals)
    this.#writeMeta(entries)
    entries.varint(exceptions.length)
    let last = 0
    for (const index of exceptions) {
      entries.varint(index - last)
      last = index
      entries.append(new Uint8Array(values.buffer, values.byteOffset + 8 * (start + index), 8))
    }
  }

  /** All eight bytes of every value, xor-ed with the value before, a plane a byte. */
  #addBits(values: Float64Array, start: number, end: number): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset + 8 * start, 8 * (end - start))
    for (let p = 0; p < PLANES; p++) {
      const plane = this.#columns.planes[p]
      plane.reserve(end - start)
      let last = 0
      for (let at = p; at < bytes.length; at += 8) {
        plane.bytes[plane.length++] = bytes[at] ^ last
        last = bytes[at]
      }
    }
  }

  #writeMeta(entries: ByteBuffer): void {
    const { mode, first, center, divisor } = this.#columns.meta
    entries.varint(mode)
    entries.zigzag(first)
    entries.zigzag(center)
    entries.varint(divisor)
  }

  #close(): void {
    if (this.#seriesCount === 0) return
    const directory = new ByteBuffer()
    directory.varint(this.#timeColumns)
    directory.append(this.#timeEntries.view())
    directory.append(this.#order.view())
    directory.append(this.#seriesEntries.view())
    const sections = [directory.view(), this.#columns.widths.view(), ...this.#columns.planes.map((plane) => plane.view())]
    this.#pages.push({
      bytes: this.#assemble(sections),
      seriesCount: this.#seriesCount,
      sampleCount: this.#sampleCount,
      minTimeMs: this.#minTimeMs,
      maxTimeMs: this.#maxTimeMs,
    })
    this.#columns.clear()
    for (const buffer of [this.#timeEntries, this.#seriesEntries, this.#order]) buffer.clear()
    this.#recent = []
    this.#timeColumns = 0
    this.#seriesCount = 0
    this.#sampleCount = 0
    this.#minTimeMs = Number.POSITIVE_INFINITY
    this.#maxTimeMs = Number.NEGATIVE_INFINITY
  }

  #assemble(sections: readonly Uint8Array[]): Uint8Array {
    const stored = sections.map((section) => this.#store(section))
    const length = stored.reduce((sum, section) => sum + section.length, PAGE_HEADER_BYTES)
    const bytes = new Uint8Array(length)
    const view = new DataView(bytes.buffer)
    view.setUint32(4, PAGE_MAGIC, true)
    view.setUint32(8, this.#seriesCount, true)
    view.setUint32(12, this.#sampleCount, true)
    view.setFloat64(16, this.#minTimeMs, true)
    view.setFloat64(24, this.#maxTimeMs, true)
    let at = PAGE_HEADER_BYTES
    for (let i = 0; i < SECTIONS; i++) {
      view.setUint32(SECTIONS_AT + 8 * i, sections[i].length, true)
      view.setUint32(SECTIONS_AT + 8 * i + 4, stored[i].length, true)
      bytes.set(stored[i], at)
      at += stored[i].length
    }
    view.setUint32(0, crc32(bytes.subarray(4)), true)
    return bytes
  }

  #store(section: Uint8Array): Uint8Array {
    if (!this.#options.compress || section.length < 32) return section
    const packed = zstdCompressSync(section, COMPRESSION)
    return packed.length < section.length ? packed : section
  }
}

function isSame(a: Float64Array, b: Float64Array): boolean {
  const { length } = a
  if (length !== b.length || a[0] !== b[0] || a[length - 1] !== b[length - 1]) return false
  for (let i = 1; i < length; i++) if (a[i] !== b[i]) return false
  return true
}
