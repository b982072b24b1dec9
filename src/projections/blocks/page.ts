import { crc32 } from 'node:zlib'
import { CorruptionError } from '../../domain/errors.ts'

export interface Page {
  readonly bytes: Uint8Array
  readonly seriesCount: number
  readonly sampleCount: number
  readonly minTimeMs: number
  readonly maxTimeMs: number
}

interface Chunk {
  readonly identity: Uint8Array
  readonly times: Float64Array
  readonly values: Float64Array
}

/** Gathers chunks and writes them as pages. */
export class PageWriter {
  readonly #options: { readonly pageBytesTarget: number; readonly compress: boolean }
  readonly #pages: Page[] = []
  #chunks: Chunk[] = []
  #bytes = 0

  constructor(options: { readonly pageBytesTarget: number; readonly compress: boolean }) {
    this.#options = options
  }

  add(identity: Uint8Array, times: Float64Array, values: Float64Array, start: number, end: number): void {
    this.#chunks.push({ identity: identity.slice(), times: times.slice(start, end), values: values.slice(start, end) })
    this.#bytes += 16 * (end - start) + 24
    if (this.#bytes >= this.#options.pageBytesTarget) this.#close()
  }

  finish(): Page[] {
    this.#close()
    return this.#pages
  }

  #close(): void {
    if (this.#chunks.length === 0) return
    const bytes = new Uint8Array(8 + this.#bytes)
    const view = new DataView(bytes.buffer)
    let at = 8
    let sampleCount = 0
    let min = Number.POSITIVE_INFINITY
    let max = Number.NEGATIVE_INFINITY
    for (const { identity, times, values } of this.#chunks) {
      bytes.set(identity, at)
      view.setUint32(at + 16, times.length, true)
      at += 24
      bytes.set(new Uint8Array(times.buffer), at)
      at += 8 * times.length
      bytes.set(new Uint8Array(values.buffer), at)
      at += 8 * times.length
      sampleCount += times.length
      min = Math.min(min, times[0])
      max = Math.max(max, times[times.length - 1])
    }
    view.setUint32(4, this.#chunks.length, true)
    view.setUint32(0, crc32(bytes.subarray(4)), true)
    this.#pages.push({ bytes, seriesCount: this.#chunks.length, sampleCount, minTimeMs: min, maxTimeMs: max })
    this.#chunks = []
    this.#bytes = 0
  }
}

export class PageReader {
  readonly seriesCount: number
  readonly sampleCount: number
  readonly identities: Uint8Array
  readonly #times: Float64Array[] = []
  readonly #values: Float64Array[] = []

  private constructor(bytes: Uint8Array, where: string) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (crc32(bytes.subarray(4)) !== view.getUint32(0, true)) throw new CorruptionError(`page ${where} fails its checksum`)
    this.seriesCount = view.getUint32(4, true)
    this.identities = new Uint8Array(16 * this.seriesCount)
    let samples = 0
    let at = 8
    for (let i = 0; i < this.seriesCount; i++) {
      this.identities.set(bytes.subarray(at, at + 16), 16 * i)
      const count = view.getUint32(at + 16, true)
      at += 24
      this.#times.push(new Float64Array(bytes.slice(at, at + 8 * count).buffer))
      at += 8 * count
      this.#values.push(new Float64Array(bytes.slice(at, at + 8 * count).buffer))
      at += 8 * count
      samples += count
    }
    this.sampleCount = samples
  }

  static open(bytes: Uint8Array, where: string): PageReader {
    return new PageReader(bytes, where)
  }

  times(i: number): Float64Array {
    return this.#times[i]
  }

  values(i: number): Float64Array {
    return this.#values[i].slice()
  }
}
