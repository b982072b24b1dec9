import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { ReadStats } from '../../domain/ports/series-reader.ts'
import { PageReader } from '../blocks/page-reader.ts'
import { pageRef, type RunPages, type RunPlace } from './catalogue.ts'
import type { SeriesIndex } from './series-index.ts'

/** An opened page, its series as ids of this process. */
export interface OpenPage {
  readonly page: PageReader
  /** By chunk: the series, 0xffffffff when the index does not know it (it has expired). */
  readonly series: Uint32Array
  readonly bytes: number
}

interface CachedPage extends OpenPage {
  /** Chunks whose series the index did not know when it held `lookedAmong` series. */
  unknown: number
  lookedAmong: number
}

export const UNKNOWN_SERIES = 0xffffffff

/** So many pages are read from the store at once. */
const READS_AT_ONCE = 16

/** Opened pages of immutable runs, least recently used go first. One a thread. */
export class PageCache {
  readonly #store: Pick<BlockStore, 'get'>
  readonly #index: SeriesIndex
  readonly #bytesMax: number
  readonly #pages = new Map<string, CachedPage>()
  #bytes = 0

  constructor(store: Pick<BlockStore, 'get'>, index: SeriesIndex, bytesMax: number) {
    this.#store = store
    this.#index = index
    this.#bytesMax = bytesMax
  }

  /** All pages of a run. Those in the cache cost no promise. */
  async pages(place: RunPlace, run: RunPages, stats: ReadStats): Promise<OpenPage[]> {
    const pages: OpenPage[] = []
    const missing: number[] = []
    for (let number = 0; number < run.pages; number++) {
      const key = keyOf(place, number)
      const known = this.#pages.get(key)
      if (known === undefined) {
        missing.push(number)
        continue
      }
      this.#pages.delete(key)
      this.#pages.set(key, known)
      this.#lookAgain(known)
      pages[number] = known
    }
    for (let start = 0; start < missing.length; start += READS_AT_ONCE) {
      await Promise.all(
        missing.slice(start, start + READS_AT_ONCE).map(async (number) => (pages[number] = await this.#open(place, number, stats))),
      )
    }
    return pages
  }

  async #open(place: RunPlace, number: number, stats: ReadStats): Promise<OpenPage> {
    const ref = pageRef(place, number)
    const key = keyOf(place, number)
    const bytes = await this.#store.get(ref, ref.clusteringKey)
    if (bytes === null) throw new CorruptionError(`page ${key} is named by the catalogue and is missing from the store`)
    const page = PageReader.open(bytes, key)
    const series = new Uint32Array(page.seriesCount).fill(UNKNOWN_SERIES)
    stats.blocksRead++
    stats.bytesRead += bytes.length
    const open = { page, series, bytes: bytes.length * 2 + 64 * 1024, unknown: series.length, lookedAmong: 0 }
    this.#lookAgain(open)
    const other = this.#pages.get(key)
    // Another query has opened it meanwhile.
    if (other !== undefined) return other
    this.#pages.set(key, open)
    this.#bytes += open.bytes
    for (const [oldKey, old] of this.#pages) {
      if (this.#bytes <= this.#bytesMax) break
      this.#pages.delete(oldKey)
      this.#bytes -= old.bytes
    }
    return open
  }

  /** Series that the index did not know may be sent again, and bring their past back. */
  #lookAgain(open: CachedPage): void {
    const { seriesCount } = this.#index
    if (open.unknown === 0 || open.lookedAmong === seriesCount) return
    open.lookedAmong = seriesCount
    const { page, series } = open
    for (let i = 0; i < series.length; i++) {
      if (series[i] !== UNKNOWN_SERIES) continue
      const id = this.#index.findIdentity(page.identities, 16 * i)
      if (id === -1) continue
      series[i] = id
      open.unknown--
    }
  }
}

function keyOf({ version, metric, bucket, partition, run }: RunPlace, page: number): string {
  return `${version}/${bucket}/${partition}/${run}/${page}/${metric}`
}
