import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Labels } from '../../../src/domain/labels.ts'
import type { LogRecord, RecordToAppend } from '../../../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../src/domain/position.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../../src/domain/time.ts'
import { Ingest } from '../../../src/ingest/ingest.ts'
import { Control } from '../../../src/projections/series/control.ts'
import { HeadReader } from '../../../src/projections/series/head.ts'
import { allocateHeadMemory } from '../../../src/projections/series/head-memory.ts'
import { SeriesMatcher } from '../../../src/projections/series/match.ts'
import { PageCache } from '../../../src/projections/series/page-cache.ts'
import { RawReader } from '../../../src/projections/series/raw-reader.ts'
import { ReaderPin } from '../../../src/projections/series/reader-pin.ts'
import { SERIES_VERSION, type SeriesFold } from '../../../src/projections/series/series-fold.ts'
import { SeriesIndex } from '../../../src/projections/series/series-index.ts'
import { SeriesProjection } from '../../../src/projections/series/series-projection.ts'
import { TailingHead } from '../../../src/projections/series/tailing-head.ts'
import { compileMatcher, literalAlternatives } from '../../../src/promql/matching.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { MemoryBlockStore } from '../../support/memory-block-store.ts'
import { SeededRandom, VirtualClock } from '../../support/virtual-clock.ts'

const PARTITIONS = 4
const PROJECTORS = 3
const RETENTION_MS = 7 * DAY_MS
const limits = { seriesMax: 500, symbolsMax: 1000, symbolBytesMax: 1 << 16, partitions: PARTITIONS, readers: 1, arenaBytes: 1 << 19 }

class MemoryLog {
  readonly partitionCount = PARTITIONS
  readonly generation = 1
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

/** Projectors that share a store and a log, and one head that answers beside them. */
class Cluster {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 15, 3, 30))
  readonly log = new MemoryLog(this.clock)
  readonly store = new MemoryBlockStore()
  readonly ingest = new Ingest({
    log: this.log,
    clock: this.clock,
    random: new SeededRandom(1),
    knownSeriesMax: 4096,
    knownBytesMax: 1 << 20,
  })
  readonly projectors: SeriesProjection[] = []
  head!: TailingHead
  reader!: RawReader

  static async start(): Promise<Cluster> {
    const cluster = new Cluster()
    for (let i = 0; i < PROJECTORS; i++) await cluster.restart(i)
    for (let partition = 0; partition < PARTITIONS; partition++) await cluster.projectors[partition % PROJECTORS].take(partition, 0)
    await cluster.restartHead()
    return cluster
  }

  #parts() {
    const memory = allocateHeadMemory(limits)
    const { clock, store } = this
    return { memory, control: new Control(memory.control), store, clock, logger: silentLogger, rawRetentionMs: RETENTION_MS }
  }

  /** A crash: what was in memory is gone, and no partition is held. */
  async restart(i: number): Promise<void> {
    this.projectors[i] = new SeriesProjection({ ...this.#parts(), breathe: () => Promise.resolve() })
    await this.projectors[i].load()
  }

  async restartHead(): Promise<void> {
    const parts = this.#parts()
    const { memory, control } = parts
    this.head = new TailingHead(parts)
    await this.head.load()
    const index = new SeriesIndex(memory, control)
    this.reader = new RawReader({
      control,
      index,
      head: new HeadReader(memory),
      matcher: new SeriesMatcher(index, { compile: compileMatcher, literals: literalAlternatives }),
      pages: new PageCache(this.store, index, 1 << 20),
      store: this.store,
      clock: this.clock,
      version: SERIES_VERSION,
      retentionMs: RETENTION_MS,
      pin: new ReaderPin(control, 0),
      partitions: PARTITIONS,
    })
  }

  /** What the log holds comes to one fold, at most `records` of each partition. */
  async feed(fold: SeriesFold, records = Number.POSITIVE_INFINITY): Promise<void> {
    for (const [partition, next] of fold.positions()) {
      for (const record of this.log.records[partition].slice(next, next + records)) await fold.apply(record)
    }
  }

  async push(samples: readonly (readonly [string, number, number])[]): Promise<void> {
    await this.ingest.appendSamples(
      {
        labels: samples.map(([name]) => labelsOf(name)),
        times: Float64Array.from(samples, ([, time]) => time),
        values: Float64Array.from(samples, ([, , value]) => value),
      },
      'test',
    )
  }

  async answer(): Promise<string[]> {
    await this.feed(this.head.fold)
    const lines: string[] = []
    const stats = { seriesMatched: 0, samplesRead: 0, headSamples: 0, blocksRead: 0, bytesRead: 0 }
    const everything = [{ name: 'n', type: '!=', value: '' }] as const
    const range = { startMs: 0, endMs: Number.MAX_SAFE_INTEGER }
    for await (const batch of this.reader.select(everything, range, new AbortController().signal, stats)) {
      for (const { labels, times, values } of batch)
        for (const [i, time] of times.entries()) lines.push(`${labels.get('n')} ${time} ${values[i]}`)
    }
    return lines.sort()
  }
}

const known = new Map<string, Labels>()
function labelsOf(name: string): Labels {
  let labels = known.get(name)
  if (labels === undefined) known.set(name, (labels = Labels.fromObject({ __name__: `metric_${name.charCodeAt(0) % 3}`, n: name })))
  return labels
}

const sample = fc.tuple(
  fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
  fc.integer({ min: 0, max: 5 * 3600 }),
  fc.integer({ min: -2, max: 2 }),
)
const projector = fc.nat(PROJECTORS - 1)
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), samples: fc.array(sample, { minLength: 1, maxLength: 20 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('read' as const), i: projector, records: fc.integer({ min: 1, max: 4 }) }) },
  // Who held it before may be told, or go on in the belief that it is his.
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('take' as const), i: projector, partition: fc.nat(PARTITIONS - 1), told: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const), i: projector, failures: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('seal' as const), i: projector, failures: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), i: projector }) },
  { weight: 3, arbitrary: fc.constant({ do: 'look' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
)

describe('many projectors of one log', () => {
  it('never make an answer wrong, whoever takes, loses, flushes, seals or crashes when', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const cluster = await Cluster.start()
        const base = cluster.clock.nowMs() - 5 * HOUR_MS
        const model = new Map<string, number>()
        for (const one of steps) {
          await cluster.clock.advance(MINUTE_MS)
          if (one.do === 'push') {
            await cluster.push(one.samples.map(([name, second, value]) => [name, base + second * 1000, value] as const))
            for (const [name, second, value] of one.samples) {
              const key = `${name} ${base + second * 1000}`
              model.set(key, Math.max(model.get(key) ?? Number.NEGATIVE_INFINITY, value))
            }
          } else if (one.do === 'read') await cluster.feed(cluster.projectors[one.i].fold, one.records)
          else if (one.do === 'take') {
            if (cluster.projectors[one.i].held().includes(one.partition)) cluster.projectors[one.i].release(one.partition)
            if (one.told) for (const other of cluster.projectors) other.release(one.partition)
            await cluster.projectors[one.i].take(one.partition, 0)
          } else if (one.do === 'flush' || one.do === 'seal') {
            cluster.store.failures = one.failures
            const { [one.i]: chosen } = cluster.projectors
            await (one.do === 'flush' ? chosen.flush() : chosen.sealAll()).catch(() => {})
            cluster.store.failures = 0
          } else if (one.do === 'crash') await cluster.restart(one.i)
          else if (one.do === 'look') {
            await cluster.feed(cluster.head.fold)
            await cluster.head.look()
          } else await cluster.restartHead()
          expect(await cluster.answer()).toEqual([...model].map(([key, value]) => `${key} ${value}`).sort())
        }
        // In the end all of it stands in sealed blocks alone.
        for (let partition = 0; partition < PARTITIONS; partition++) {
          if (!cluster.projectors[0].held().includes(partition)) await cluster.projectors[0].take(partition, 0)
        }
        await cluster.feed(cluster.projectors[0].fold)
        await cluster.projectors[0].sealAll()
        await cluster.feed(cluster.projectors[0].fold)
        await cluster.restartHead()
        expect(await cluster.answer()).toEqual([...model].map(([key, value]) => `${key} ${value}`).sort())
      }),
      { numRuns: 80 },
    )
  }, 60_000)

  it('fence off who held a partition before: what that one flushes moves no checkpoint', async () => {
    const cluster = await Cluster.start()
    const now = cluster.clock.nowMs()
    await cluster.push(Array.from({ length: 20 }, (_, i) => [`s${i}`, now, i] as const))
    const [first, second] = cluster.projectors
    const lost: number[] = []
    first.onLost = (partition) => lost.push(partition)
    await cluster.feed(first.fold)
    for (const partition of first.held()) await second.take(partition, 0)
    const held = first.held()
    await first.flush()
    expect(lost).toEqual(held)
    expect(first.held()).toEqual([])
    for (const partition of held) expect(second.fold.positions().get(partition)).toBe(0)
    await cluster.feed(second.fold)
    await second.flush()
    await cluster.restartHead()
    for (const partition of held) expect(cluster.head.fold.positions().get(partition)).toBe(cluster.log.records[partition].length)
    expect(await cluster.answer()).toHaveLength(20)
  })

  it('let a head go of what checkpoints have passed, and of nothing else', async () => {
    const cluster = await Cluster.start()
    const now = cluster.clock.nowMs()
    const generations = () => cluster.head.fold.head.sampleCount
    await cluster.push(Array.from({ length: 40 }, (_, i) => [`s${i}`, now, i] as const))
    await cluster.feed(cluster.head.fold)
    expect(generations()).toBe(40)
    await cluster.clock.advance(2 * MINUTE_MS)
    await cluster.head.look()
    // Closed, and waiting: nobody has flushed.
    expect(generations()).toBe(0)
    expect(await cluster.answer()).toHaveLength(40)
    for (const one of cluster.projectors) await cluster.feed(one.fold)
    await cluster.projectors[0].flush()
    await cluster.head.look()
    expect(await cluster.answer()).toHaveLength(40)
    for (const one of cluster.projectors) await one.flush()
    await cluster.head.look()
    const stats = { seriesMatched: 0, samplesRead: 0, headSamples: 0, blocksRead: 0, bytesRead: 0 }
    const range = { startMs: 0, endMs: now + 1 }
    for await (const _ of cluster.reader.select([{ name: 'n', type: '!=', value: '' }], range, new AbortController().signal, stats)) {
      // Counted below.
    }
    expect([stats.samplesRead, stats.headSamples]).toEqual([40, 0])
  })
})
