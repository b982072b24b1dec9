import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { ReadStats } from '../../domain/ports/series-reader.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { PageReader } from '../blocks/page-reader.ts'
import { pageKey, pagesRef, type RunPages } from './catalogue.ts'
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
  async pages(
    version: number,
    metric: string,
    bucket: TimestampMs,
    partition: number,
    run: RunPages,
    stats: ReadStats,
  ): Promise<OpenPage[]> {
    const pages: OpenPage[] = []
    for (let number = 0; number < run.pages; number++) {
      const key = `${version}/${bucket}/${partition}/${metric}/${pageKey(run.run, number)}`
      const known = this.#pages.get(key)
      if (known !== undefined) {
        this.#pages.delete(key)
        this.#pages.set(key, known)
        this.#lookAgain(known)
        pages.push(known)
      } else pages.push(await this.#open(version, metric, bucket, partition, run.run, number, key, stats))
    }
    return pages
  }

  async #open(
    version: number,
    metric: string,
    bucket: TimestampMs,
    partition: number,
    run: string,
    number: number,
    key: string,
    stats: ReadStats,
  ): Promise<OpenPage> {
    const bytes = await this.#store.get(pagesRef(version, metric, bucket, partition), pageKey(run, number))
    if (bytes === null) throw new CorruptionError(`page ${key} is named by the catalogue and is missing from the store`)
    const page = PageReader.open(bytes, key)
    const series = new Uint32Array(page.seriesCount).fill(UNKNOWN_SERIES)
    stats.blocksRead++
    stats.bytesRead += bytes.length
    const open = { page, series, bytes: bytes.length * 2 + 64 * 1024, unknown: series.length, lookedAmong: 0 }
    this.#lookAgain(open)
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
