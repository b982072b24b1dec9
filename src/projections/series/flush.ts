import type { BlockRow } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { type Page, PageWriter } from '../blocks/page-writer.ts'
import { BUCKET_MS, bucketOf, dayOfBucket } from './buckets.ts'
import { type FreshRun, pageRef, type RunPages, type RunPlace } from './catalogue.ts'
import type { HeadReader } from './head.ts'
import { sortAndDedupe, upperBound } from './merge.ts'
import type { SeriesIndex } from './series-index.ts'
import { seriesRows, type WrittenDays } from './series-rows.ts'

export const PAGE_BYTES_TARGET = 64 * 1024

/** What of the log a generation holds, by partition: [first, last], both included; and under which epoch it was taken. */
export type FlushedOffsets = ReadonlyMap<number, { readonly first: Offset; readonly last: Offset; readonly epoch: number }>

export interface FlushParts {
  readonly version: number
  readonly index: SeriesIndex
  readonly head: HeadReader
  readonly written: WrittenDays
  /** Stores rows, some megabytes at a time. */
  readonly put: (rows: readonly BlockRow[]) => Promise<void>
  /** Lets the thread do other work for a moment. */
  readonly breathe: () => Promise<void>
}

/** Fresh runs by log partition and bucket. */
export type FlushedRuns = Map<number, Map<TimestampMs, FreshRun>>

/**
 * Writes a generation of the head as fresh blocks, metric by metric and partition by partition, and the series that are new in a day.
 * Partitions without offsets are left out: others hold them now. Nothing of it counts before the catalogue names it.
 */
export async function flushGeneration(parts: FlushParts, generation: number, offsets: FlushedOffsets): Promise<FlushedRuns> {
  const flush = new Flush(parts, generation, offsets)
  for (const [metric, partition, series] of flush.groups()) {
    flush.writeGroup(metric, partition, series)
    if (flush.pendingBytes > 4 * 2 ** 20) await flush.putPending()
    await parts.breathe()
  }
  flush.addSeriesRows()
  await flush.putPending()
  return flush.runs
}

class Flush {
  readonly runs: FlushedRuns = new Map()
  pendingBytes = 0
  readonly #parts: FlushParts
  readonly #generation: number
  readonly #offsets: FlushedOffsets
  readonly #newSeries = new Map<TimestampMs, Map<number, number[]>>()
  #rows: BlockRow[] = []
  #times = new Float64Array(4096)
  #values = new Float64Array(4096)

  constructor(parts: FlushParts, generation: number, offsets: FlushedOffsets) {
    this.#parts = parts
    this.#generation = generation
    this.#offsets = offsets
  }

  /** Series that have samples, by metric and partition. */
  groups(): [string, number, number[]][] {
    const { index, head } = this.#parts
    const groups = new Map<number, number[]>()
    const name = index.metricNameSymbol
    for (let series = 0; series < index.seriesCount; series++) {
      if (!head.hasSamples(this.#generation, series) || !this.#offsets.has(index.partitions[series])) continue
      const key = (index.valueOf(series, name) + 1) * 256 + index.partitions[series]
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [series])
      else group.push(series)
    }
    return [...groups].map(([key, series]) => {
      const symbol = Math.floor(key / 256) - 1
      return [symbol === -1 ? '' : index.symbols.string(symbol), key % 256, series]
    })
  }

  writeGroup(metric: string, partition: number, series: readonly number[]): void {
    const writers = new Map<TimestampMs, PageWriter>()
    const identity = new Uint8Array(16)
    for (const id of series) {
      this.#parts.index.writeIdentity(id, identity)
      const { times, values } = this.#samples(id)
      for (let start = 0; start < times.length; ) {
        const bucket = bucketOf(times[start])
        const end = times[times.length - 1] <= bucket + BUCKET_MS ? times.length : upperBound(times, bucket + BUCKET_MS)
        let writer = writers.get(bucket)
        if (writer === undefined) {
          writer = new PageWriter({ pageBytesTarget: PAGE_BYTES_TARGET, compress: false })
          writers.set(bucket, writer)
        }
        writer.add(identity, times, values, start, end)
        this.#noteDay(dayOfBucket(bucket), partition, id)
        start = end
      }
    }
    for (const [bucket, writer] of writers) this.#addRun(metric, bucket, partition, writer.finish())
  }

  #samples(series: number): { times: Float64Array; values: Float64Array } {
    const { head } = this.#parts
    const count = head.count(this.#generation, series)
    if (count > this.#times.length) {
      this.#times = new Float64Array(2 * count)
      this.#values = new Float64Array(2 * count)
    }
    const times = this.#times.subarray(0, count)
    const values = this.#values.subarray(0, count)
    head.read(this.#generation, series, times, values)
    return head.isUnordered(this.#generation, series) ? sortAndDedupe({ times, values }) : { times, values }
  }

  #noteDay(day: TimestampMs, partition: number, series: number): void {
    if (!this.#parts.written.add(day, series)) return
    let partitions = this.#newSeries.get(day)
    if (partitions === undefined) this.#newSeries.set(day, (partitions = new Map()))
    const list = partitions.get(partition)
    if (list === undefined) partitions.set(partition, [series])
    else list.push(series)
  }

  #addRun(metric: string, bucket: TimestampMs, partition: number, pages: readonly Page[]): void {
    const { first, last, epoch } = this.#offsets.get(partition)!
    const run = `f/${first}-${last}-${epoch}`
    let buckets = this.runs.get(partition)
    if (buckets === undefined) this.runs.set(partition, (buckets = new Map()))
    let fresh = buckets.get(bucket) as (FreshRun & { metrics: Record<string, RunPages> }) | undefined
    if (fresh === undefined) buckets.set(bucket, (fresh = { run, first, last, metrics: Object.create(null) }))
    fresh!.metrics[metric] = summary(run, pages)
    this.#add(pageRows({ version: this.#parts.version, metric, bucket, partition, run }, pages))
  }

  addSeriesRows(): void {
    for (const [day, partitions] of this.#newSeries) {
      for (const [partition, series] of partitions) {
        const { last, epoch } = this.#offsets.get(partition)!
        this.#add(seriesRows(this.#parts.version, this.#parts.index, day, partition, `${last}-${epoch}`, series))
      }
    }
  }

  #add(rows: readonly BlockRow[]): void {
    for (const row of rows) {
      this.#rows.push(row)
      this.pendingBytes += row.value.length
    }
  }

  async putPending(): Promise<void> {
    const rows = this.#rows
    this.#rows = []
    this.pendingBytes = 0
    if (rows.length > 0) await this.#parts.put(rows)
  }
}

/** The rows of a run's pages. */
export function pageRows(place: RunPlace, pages: readonly Page[]): BlockRow[] {
  return pages.map((page, number) => ({ ...pageRef(place, number), value: page.bytes }))
}

/** What the catalogue says of a run. */
export function summary(run: string, pages: readonly Page[]): RunPages {
  return {
    run,
    pages: pages.length,
    samples: pages.reduce((sum, page) => sum + page.sampleCount, 0),
    bytes: pages.reduce((sum, page) => sum + page.bytes.length, 0),
    minTimeMs: Math.min(...pages.map((page) => page.minTimeMs)),
    maxTimeMs: Math.max(...pages.map((page) => page.maxTimeMs)),
  }
}
