/** What tests of projections stand on: a log in memory, and a reader of what a projection has made of it. */
import { Labels } from '../../../src/domain/labels.ts'
import type { BlockStore } from '../../../src/domain/ports/block-store.ts'
import type { Clock } from '../../../src/domain/ports/clock.ts'
import type { LogRecord, RecordToAppend } from '../../../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../src/domain/position.ts'
import { DAY_MS } from '../../../src/domain/time.ts'
import { Ingest } from '../../../src/ingest/ingest.ts'
import { Control } from '../../../src/projections/series/control.ts'
import { HeadReader } from '../../../src/projections/series/head.ts'
import type { HeadMemory } from '../../../src/projections/series/head-memory.ts'
import { SeriesMatcher } from '../../../src/projections/series/match.ts'
import { PageCache } from '../../../src/projections/series/page-cache.ts'
import { RawReader } from '../../../src/projections/series/raw-reader.ts'
import { ReaderPin } from '../../../src/projections/series/reader-pin.ts'
import { SERIES_VERSION } from '../../../src/projections/series/series-fold.ts'
import { SeriesIndex } from '../../../src/projections/series/series-index.ts'
import { compileMatcher, literalAlternatives } from '../../../src/promql/matching.ts'
import { SeededRandom, type VirtualClock } from '../../support/virtual-clock.ts'

export const PARTITIONS = 4
export const RETENTION_MS = 7 * DAY_MS

/** A log in memory that projections are fed from by hand. */
export class MemoryLog {
  readonly partitionCount = PARTITIONS
  readonly generation = 0
  /** By partition. */
  readonly records: LogRecord[][] = Array.from({ length: PARTITIONS }, () => [])
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  async append(records: readonly RecordToAppend[]): Promise<PartitionOffsets> {
    const next = new Map<number, number>()
    for (const { partition, headers, payload } of records) {
      const offset = this.records[partition].length
      this.records[partition].push({ partition, offset, headers, payload: payload.slice(), appendedMs: this.#clock.nowMs() })
      next.set(partition, offset + 1)
    }
    return next
  }
}

export type NamedSample = readonly [name: string, timeMs: number, value: number]

/** Puts samples into a log, of series told apart by their label `n`. */
export class Pusher {
  readonly #ingest: Ingest

  constructor(log: MemoryLog, clock: VirtualClock) {
    this.#ingest = new Ingest({ log, clock, random: new SeededRandom(1), knownSeriesMax: 4096, knownBytesMax: 1 << 20 })
  }

  async push(samples: readonly NamedSample[]): Promise<void> {
    const times = Float64Array.from(samples, ([, time]) => time)
    const values = Float64Array.from(samples, ([, , value]) => value)
    await this.#ingest.appendSamples({ labels: samples.map(([name]) => labelsOf(name)), times, values }, 'test')
  }
}

const known = new Map<string, Labels>()
function labelsOf(name: string): Labels {
  let labels = known.get(name)
  if (labels === undefined) known.set(name, (labels = Labels.fromObject({ __name__: `metric_${name.charCodeAt(0) % 3}`, n: name })))
  return labels
}

/** A reader of a head in memory and the blocks of a store. */
export function readerOf(memory: HeadMemory, store: BlockStore, clock: Clock): RawReader {
  const control = new Control(memory.control)
  const index = new SeriesIndex(memory, control)
  return new RawReader({
    control,
    index,
    head: new HeadReader(memory),
    matcher: new SeriesMatcher(index, { compile: compileMatcher, literals: literalAlternatives }),
    pages: new PageCache(store, index, 1 << 20),
    store,
    clock,
    version: SERIES_VERSION,
    retentionMs: RETENTION_MS,
    pin: new ReaderPin(control, 0),
    partitions: PARTITIONS,
  })
}

/** All samples of all series, "name time value", in order; and what the reader counted and said beside them. */
export async function readAll(reader: RawReader, startMs = 0, endMs = Number.MAX_SAFE_INTEGER) {
  const lines: string[] = []
  const stats = { seriesMatched: 0, samplesRead: 0, headSamples: 0, blocksRead: 0, bytesRead: 0, warnings: new Set<string>() }
  const everything = [{ name: 'n', type: '!=', value: '' }] as const
  for await (const batch of reader.select(everything, { startMs, endMs }, new AbortController().signal, stats)) {
    for (const { labels, times, values } of batch) {
      for (const [i, time] of times.entries()) lines.push(`${labels.get('n')} ${time} ${values[i]}`)
    }
  }
  return { lines: lines.sort(), stats }
}

/** Of several samples of one series and time the greater value counts. */
export class Model {
  readonly #values = new Map<string, number>()

  add(samples: readonly NamedSample[]): void {
    for (const [name, time, value] of samples) {
      const key = `${name} ${time}`
      this.#values.set(key, Math.max(this.#values.get(key) ?? Number.NEGATIVE_INFINITY, value))
    }
  }

  lines(): string[] {
    return [...this.#values].map(([key, value]) => `${key} ${value}`).sort()
  }
}
