import { crc32, zstdDecompressSync } from 'node:zlib'
import { CorruptionError } from '../../domain/errors.ts'
import { type ColumnMeta, type ColumnMode, decodeColumn, MINI_BLOCK, PLANES } from '../../kernels/block-columns.ts'
import { DECIMALS_MAX, unscale } from '../../kernels/block-values.ts'
import { DirectoryReader, IDENTITY_BYTES, PAGE_HEADER_BYTES, PAGE_MAGIC, SECTIONS, SECTIONS_AT, ValuesKind } from './page-layout.ts'

interface TimeEntry {
  readonly count: number
  readonly meta: ColumnMeta
}

interface SeriesEntry {
  readonly timeColumn: number
  readonly kind: number
  readonly decimals: number
  readonly meta: ColumnMeta | null
  readonly exceptions: readonly { readonly index: number; readonly bits: Uint8Array }[]
}

/** Where each column's bytes begin: PLANES + 1 numbers a column, the last one for the widths. */
type Places = Uint32Array

const NO_META: ColumnMeta = { mode: 0, first: 0, center: 0, divisor: 1 }

/** An opened page: its checksum is verified and its directory read; columns are decoded when they are asked for. */
export class PageReader {
  readonly seriesCount: number
  readonly sampleCount: number
  readonly minTimeMs: number
  readonly maxTimeMs: number
  /** 16 bytes a series. */
  readonly identities: Uint8Array

  readonly #where: string
  readonly #widths: Uint8Array
  readonly #planes: readonly Uint8Array[]
  readonly #timeEntries: TimeEntry[] = []
  readonly #series: SeriesEntry[] = []
  /** By column in order of writing: whether it is one of values. */
  readonly #order: Uint8Array
  readonly #times: (Float64Array | undefined)[] = []
  #places: { times: Uint32Array; values: Uint32Array; all: Places } | null = null

  private constructor(bytes: Uint8Array, where: string) {
    this.#where = where
    const view = checkedHeader(bytes, where)
    this.seriesCount = view.getUint32(8, true)
    this.sampleCount = view.getUint32(12, true)
    this.minTimeMs = view.getFloat64(16, true)
    this.maxTimeMs = view.getFloat64(24, true)
    const sections = readSections(bytes, view, where)
    this.#widths = sections[1]
    this.#planes = sections.slice(2)
    this.identities = new Uint8Array(IDENTITY_BYTES * this.seriesCount)
    const directory = new DirectoryReader(sections[0], where)
    const timeColumns = directory.varint()
    for (let i = 0; i < timeColumns; i++) this.#timeEntries.push({ count: directory.varint(), meta: readMeta(directory) })
    this.#order = directory.take(timeColumns + this.seriesCount)
    for (let i = 0; i < this.seriesCount; i++) {
      this.identities.set(directory.take(IDENTITY_BYTES), IDENTITY_BYTES * i)
      this.#series.push(this.#readSeries(directory))
    }
  }

  /** @throws CorruptionError naming `where`, when any byte is not as it was written */
  static open(bytes: Uint8Array, where: string): PageReader {
    return new PageReader(bytes, where)
  }

  /** Times of a chunk, in milliseconds; the same array for chunks that share them. */
  times(chunk: number): Float64Array {
    const { timeColumn } = this.#series[chunk]
    const known = this.#times[timeColumn]
    if (known !== undefined) return known
    const { count, meta } = this.#timeEntries[timeColumn]
    const times = new Float64Array(count)
    const places = this.#placesOf()
    this.#decode(meta, count, places.times[timeColumn], times)
    this.#times[timeColumn] = times
    return times
  }

  /** Values of a chunk, bits as they were written; an array of the caller's own. */
  values(chunk: number): Float64Array {
    const entry = this.#series[chunk]
    const { count } = this.#timeEntries[entry.timeColumn]
    const values = new Float64Array(count)
    const column = this.#placesOf().values[chunk]
    if (entry.kind === ValuesKind.bits) {
      this.#decodeBits(column, count, values)
      return values
    }
    this.#decode(entry.meta ?? NO_META, count, column, values)
    unscale(values, entry.decimals)
    const bytes = new Uint8Array(values.buffer)
    for (const { index, bits } of entry.exceptions) bytes.set(bits, 8 * index)
    return values
  }

  #readSeries(directory: DirectoryReader): SeriesEntry {
    const timeColumn = directory.varint()
    const kind = directory.varint()
    if (timeColumn >= this.#timeEntries.length || kind > ValuesKind.bits)
      throw new CorruptionError(`page ${this.#where}: a series entry that no writer makes`)
    if (kind === ValuesKind.bits) return { timeColumn, kind, decimals: 0, meta: null, exceptions: [] }
    const decimals = directory.varint()
    if (decimals > DECIMALS_MAX) throw new CorruptionError(`page ${this.#where}: values of ${decimals} decimals`)
    const meta = readMeta(directory)
    const exceptions: { index: number; bits: Uint8Array }[] = []
    const { count } = this.#timeEntries[timeColumn]
    let index = 0
    for (let left = directory.varint(); left > 0; left--) {
      index += directory.varint()
      if (index >= count) throw new CorruptionError(`page ${this.#where}: an exception beyond its chunk`)
      exceptions.push({ index, bits: directory.take(8) })
    }
    return { timeColumn, kind, decimals, meta, exceptions }
  }

  /** Walks all columns once, adding up what each takes of every plane. */
  #placesOf(): { times: Uint32Array; values: Uint32Array; all: Places } {
    if (this.#places !== null) return this.#places
    const columns = this.#order.length
    const all = new Uint32Array((PLANES + 1) * columns)
    const times = new Uint32Array(this.#timeEntries.length)
    const values = new Uint32Array(this.seriesCount)
    const at = new Uint32Array(PLANES + 1)
    let timeColumn = 0
    let chunk = 0
    for (let column = 0; column < columns; column++) {
      all.set(at, (PLANES + 1) * column)
      const isValues = this.#order[column] === 1
      const entry = isValues ? this.#series[chunk] : null
      const { count } = this.#timeEntries[entry === null ? timeColumn : entry.timeColumn]
      if (isValues) values[chunk++] = column
      else times[timeColumn++] = column
      if (entry?.kind === ValuesKind.bits) for (let p = 0; p < PLANES; p++) at[p] += count
      else this.#skip(count, at)
    }
    this.#places = { times, values, all }
    return this.#places
  }

  #skip(count: number, at: Uint32Array): void {
    for (let start = 1; start < count; start += MINI_BLOCK) {
      const length = Math.min(MINI_BLOCK, count - start)
      const width = this.#widths[at[PLANES]++]
      for (let p = 0; p < width; p++) at[p] += length
    }
  }

  #decode(meta: ColumnMeta, count: number, column: number, out: Float64Array): void {
    const { all } = this.#placesOf()
    const starts = all.subarray((PLANES + 1) * column, (PLANES + 1) * column + PLANES)
    decodeColumn(meta, count, this.#widths, this.#planes, { starts, widthsStart: all[(PLANES + 1) * column + PLANES] }, out)
  }

  #decodeBits(column: number, count: number, out: Float64Array): void {
    const { all } = this.#placesOf()
    const bytes = new Uint8Array(out.buffer)
    for (let p = 0; p < PLANES; p++) {
      const plane = this.#planes[p]
      const start = all[(PLANES + 1) * column + p]
      let last = 0
      for (let i = 0; i < count; i++) {
        last ^= plane[start + i]
        bytes[8 * i + p] = last
      }
    }
  }
}

function checkedHeader(bytes: Uint8Array, where: string): DataView {
  if (bytes.length < PAGE_HEADER_BYTES) throw new CorruptionError(`page ${where} has ${bytes.length} bytes, less than its header`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (crc32(bytes.subarray(4)) !== view.getUint32(0, true)) throw new CorruptionError(`page ${where} fails its checksum`)
  if (view.getUint32(4, true) !== PAGE_MAGIC) throw new CorruptionError(`page ${where} is of a format that this version does not know`)
  return view
}

function readSections(bytes: Uint8Array, view: DataView, where: string): Uint8Array[] {
  const sections: Uint8Array[] = []
  let at = PAGE_HEADER_BYTES
  for (let i = 0; i < SECTIONS; i++) {
    const raw = view.getUint32(SECTIONS_AT + 8 * i, true)
    const stored = view.getUint32(SECTIONS_AT + 8 * i + 4, true)
    const section = bytes.subarray(at, at + stored)
    at += stored
    sections.push(stored === raw ? section : zstdDecompressSync(section, { maxOutputLength: Math.max(raw, 1) }))
    if (sections[i].length !== raw)
      throw new CorruptionError(`page ${where}: section ${i} has ${sections[i].length} bytes, expected ${raw}`)
  }
  return sections
}

function readMeta(directory: DirectoryReader): ColumnMeta {
  const mode = directory.varint() as ColumnMode // checked by the page's checksum; any other reads as a line
  return { mode, first: directory.zigzag(), center: directory.zigzag(), divisor: directory.varint() }
}
