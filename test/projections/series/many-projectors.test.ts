import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { HOUR_MS, MINUTE_MS } from '../../../src/domain/time.ts'
import { Control } from '../../../src/projections/series/control.ts'
import { allocateHeadMemory } from '../../../src/projections/series/head-memory.ts'
import type { RawReader } from '../../../src/projections/series/raw-reader.ts'
import type { SeriesFold } from '../../../src/projections/series/series-fold.ts'
import { SeriesProjection } from '../../../src/projections/series/series-projection.ts'
import { TailingHead } from '../../../src/projections/series/tailing-head.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { MemoryBlockStore } from '../../support/memory-block-store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryLog, Model, PARTITIONS, Pusher, RETENTION_MS, readAll, readerOf } from './world.ts'

const PROJECTORS = 3
const limits = { seriesMax: 500, symbolsMax: 1000, symbolBytesMax: 1 << 16, partitions: PARTITIONS, readers: 1, arenaBytes: 1 << 19 }

/** Projectors that share a store and a log, and one head that answers beside them. */
class Cluster {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 15, 3, 30))
  readonly log = new MemoryLog(this.clock)
  readonly store = new MemoryBlockStore()
  readonly pusher = new Pusher(this.log, this.clock)
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
    this.head = new TailingHead(parts)
    await this.head.load()
    this.reader = readerOf(parts.memory, this.store, this.clock)
  }

  /** What the log holds comes to one fold, at most `records` of each partition. */
  async feed(fold: SeriesFold, records = Number.POSITIVE_INFINITY): Promise<void> {
    for (const [partition, next] of fold.positions()) {
      for (const record of this.log.records[partition].slice(next, next + records)) await fold.apply(record)
    }
  }

  async answer(): Promise<string[]> {
    await this.feed(this.head.fold)
    return (await readAll(this.reader)).lines
  }
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
        const model = new Model()
        for (const one of steps) {
          await cluster.clock.advance(MINUTE_MS)
          if (one.do === 'push') {
            const samples = one.samples.map(([name, second, value]) => [name, base + second * 1000, value] as const)
            await cluster.pusher.push(samples)
            model.add(samples)
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
          expect(await cluster.answer()).toEqual(model.lines())
        }
        // In the end all of it stands in sealed blocks alone.
        for (let partition = 0; partition < PARTITIONS; partition++) {
          if (!cluster.projectors[0].held().includes(partition)) await cluster.projectors[0].take(partition, 0)
        }
        await cluster.feed(cluster.projectors[0].fold)
        await cluster.projectors[0].sealAll()
        await cluster.feed(cluster.projectors[0].fold)
        await cluster.restartHead()
        expect(await cluster.answer()).toEqual(model.lines())
      }),
      { numRuns: 80 },
    )
  }, 60_000)

  it('fence off who held a partition before: what that one flushes moves no checkpoint', async () => {
    const cluster = await Cluster.start()
    const now = cluster.clock.nowMs()
    await cluster.pusher.push(Array.from({ length: 20 }, (_, i) => [`s${i}`, now, i] as const))
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
    await cluster.pusher.push(Array.from({ length: 40 }, (_, i) => [`s${i}`, now, i] as const))
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
    const { stats } = await readAll(cluster.reader, 0, now + 1)
    expect([stats.samplesRead, stats.headSamples]).toEqual([40, 0])
  })
})
