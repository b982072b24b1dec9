import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { DAY_MS, HOUR_MS } from '../../../src/domain/time.ts'
import { Control } from '../../../src/projections/series/control.ts'
import { allocateHeadMemory } from '../../../src/projections/series/head-memory.ts'
import type { RawReader } from '../../../src/projections/series/raw-reader.ts'
import { SeriesProjection } from '../../../src/projections/series/series-projection.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { MemoryBlockStore } from '../../support/memory-block-store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryLog, Model, type NamedSample, PARTITIONS, Pusher, RETENTION_MS, readAll, readerOf } from './world.ts'

const limits = { seriesMax: 2000, symbolsMax: 4000, symbolBytesMax: 1 << 18, partitions: PARTITIONS, readers: 1, arenaBytes: 1 << 20 }

/** A projection over what outlives it: clock, log, store. `restart` is a crash: memory is gone, the rest stays. */
class World {
  readonly clock = new VirtualClock(Date.UTC(2026, 0, 15, 3, 30))
  readonly log = new MemoryLog(this.clock)
  readonly store = new MemoryBlockStore()
  readonly pusher = new Pusher(this.log, this.clock)
  projection!: SeriesProjection
  reader!: RawReader

  async restart(): Promise<void> {
    const memory = allocateHeadMemory(limits)
    const control = new Control(memory.control)
    const { clock, store } = this
    this.projection = new SeriesProjection({
      memory,
      control,
      store,
      clock,
      logger: silentLogger,
      breathe: () => Promise.resolve(),
      rawRetentionMs: RETENTION_MS,
    })
    await this.projection.load()
    for (let partition = 0; partition < PARTITIONS; partition++) await this.projection.take(partition, 0)
    this.reader = readerOf(memory, store, clock)
    await this.feed()
  }

  async feed(): Promise<void> {
    for (const [partition, next] of this.projection.fold.positions()) {
      for (const record of this.log.records[partition].slice(next)) await this.projection.fold.apply(record)
    }
  }

  async push(samples: readonly NamedSample[]): Promise<void> {
    await this.pusher.push(samples)
    await this.feed()
  }

  async read(startMs?: number, endMs?: number): Promise<string[]> {
    return (await readAll(this.reader, startMs, endMs)).lines
  }
}

async function newWorld(): Promise<World> {
  const world = new World()
  await world.restart()
  return world
}

describe('the series projection', () => {
  it('answers from the head, from fresh blocks and from sealed ones alike', async () => {
    const world = await newWorld()
    const now = world.clock.nowMs()
    const samples = Array.from({ length: 500 }, (_, i) => ['a', now - 5 * HOUR_MS + i * 30_000, i] as const)
    await world.push(samples)
    const expected = samples.map(([name, time, value]) => `${name} ${time} ${value}`).sort()
    expect(await world.read()).toEqual(expected)
    await world.projection.flush()
    expect(await world.read()).toEqual(expected)
    expect(await world.projection.sealAll()).toBeGreaterThan(1)
    expect(await world.read()).toEqual(expected)
    await world.restart()
    expect(await world.read()).toEqual(expected)
  })

  it('reads windows half-open, (start, end], also on the bounds of buckets', async () => {
    const world = await newWorld()
    const hour = Date.UTC(2026, 0, 15, 2)
    await world.push([
      ['a', hour - 1, 1],
      ['a', hour, 2],
      ['a', hour + 1, 3],
    ])
    for (const step of ['head', 'fresh', 'sealed']) {
      if (step === 'fresh') await world.projection.flush()
      if (step === 'sealed') await world.projection.sealAll()
      expect(await world.read(hour - 1, hour)).toEqual([`a ${hour} 2`])
      expect(await world.read(hour, hour + 1)).toEqual([`a ${hour + 1} 3`])
    }
  })

  it('seals a bucket when it is over and quiet, and again when late samples came', async () => {
    const world = await newWorld()
    const now = world.clock.nowMs()
    await world.push([
      ['a', now - 3 * HOUR_MS, 1],
      ['a', now, 2],
    ])
    await world.projection.flush()
    const fresh = () => world.projection.oldestUnsealed()
    await world.clock.advance(11 * 60_000)
    await world.projection.maintain()
    // The open bucket keeps its fresh run, so the log is still needed from its beginning.
    expect([...fresh().values()].filter((offset) => offset === 0).length).toBeGreaterThan(0)
    await world.clock.advance(3 * HOUR_MS)
    await world.projection.maintain()
    expect(world.projection.unsealedCount).toBe(0)
    await world.push([['a', now - 3 * HOUR_MS + 5, 9]])
    await world.projection.flush()
    expect(world.projection.unsealedCount).toBe(1)
    await world.clock.advance(11 * 60_000)
    await world.projection.maintain()
    expect(world.projection.unsealedCount).toBe(0)
    expect(await world.read()).toEqual([`a ${now - 3 * HOUR_MS + 5} 9`, `a ${now - 3 * HOUR_MS} 1`, `a ${now} 2`].sort())
  })

  it('lets go of what is older than the retention', async () => {
    const world = await newWorld()
    const now = world.clock.nowMs()
    await world.push([
      ['a', now - 6 * DAY_MS, 1],
      ['a', now, 2],
    ])
    await world.projection.sealAll()
    await world.clock.advance(2 * DAY_MS)
    await world.projection.maintain()
    expect(await world.read()).toEqual([`a ${now} 2`])
  })

  it('stores a gap of the log, and warns of it in every answer over its time', async () => {
    const world = await newWorld()
    const now = world.clock.nowMs()
    const warnings = async (startMs: number, endMs: number) => [...(await readAll(world.reader, startMs, endMs)).stats.warnings]
    await world.push([['a', now, 1]])
    const [record] = world.log.records.flat()
    const { partition, offset } = record
    await world.clock.advance(60_000)
    world.projection.fold.noteGap(partition, offset + 1, offset + 4)
    expect(await warnings(now - 1000, now + 120_000)).toEqual([
      `3 records of partition ${partition} of the log were lost after 2026-01-15T03:30:00.000Z: samples of that time may be missing`,
    ])
    await world.projection.fold.apply({ ...record, offset: offset + 4, appendedMs: now + 60_000 })
    const told = [
      expect.stringMatching(
        `^3 records of partition ${partition} of the log were lost between 2026-01-15T03:30:00.000Z and 2026-01-15T03:31`,
      ),
    ]
    // At once, and just once when it is stored as well.
    expect(await warnings(now - 1000, now + 120_000)).toEqual(told)
    await world.projection.maintain()
    expect(await warnings(now - 1000, now + 120_000)).toEqual(told)
    expect(await warnings(now + 60_000, now + 120_000)).toEqual([])
    await world.projection.flush()
    await world.restart()
    expect(await warnings(now + 30_000, now + 31_000)).toEqual(told)
  })

  it('makes room by itself when many series want a new chunk at once in a head that is nearly full', async () => {
    const world = await newWorld()
    const start = world.clock.nowMs() - HOUR_MS
    // Every series opens its chunks in the same step, so the largest ones are all wanted at the same moment.
    for (let step = 0; step < 260; step++) {
      await world.push(Array.from({ length: 300 }, (_, i) => [`s${i}`, start + step * 10_000, step + i] as const))
    }
    const lines = await world.read()
    expect(lines).toHaveLength(300 * 260)
    expect(lines).toContain(`s299 ${start + 259 * 10_000} ${259 + 299}`)
  })

  it('goes on after the store failed, with nothing lost', async () => {
    const world = await newWorld()
    const now = world.clock.nowMs()
    for (let failures = 1; failures <= 8; failures++) {
      await world.push([[`s${failures}`, now + failures, failures]])
      world.store.failures = failures
      await world.projection.flush().catch(() => {})
      world.store.failures = 0
      if (failures % 2 === 0) await world.restart()
    }
    await world.projection.flush()
    await world.restart()
    expect(await world.read()).toEqual(Array.from({ length: 8 }, (_, i) => `s${i + 1} ${now + i + 1} ${i + 1}`))
  })

  it('gives the same answers whatever is flushed, sealed, repeated, late or crashed in between', async () => {
    const sample = fc.tuple(
      fc.constantFrom('a', 'b', 'c', 'd', 'e'),
      fc.integer({ min: 0, max: 5 * 3600 }),
      fc.integer({ min: -2, max: 2 }),
    )
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant('push' as const), samples: fc.array(sample, { minLength: 1, maxLength: 30 }) }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom({ do: 'flush' as const }, { do: 'seal' as const }, { do: 'restart' as const }, { do: 'fail' as const }),
      },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const world = await newWorld()
        const base = world.clock.nowMs() - 5 * HOUR_MS
        const model = new Model()
        for (const one of steps) {
          if (one.do === 'push') {
            const samples = one.samples.map(([name, second, value]) => [name, base + second * 1000, value] as const)
            await world.push(samples)
            model.add(samples)
          } else if (one.do === 'flush') await world.projection.flush()
          else if (one.do === 'seal') await world.projection.sealAll()
          else if (one.do === 'restart') await world.restart()
          else {
            world.store.failures = 1
            await world.projection.flush().catch(() => {})
            world.store.failures = 0
          }
          expect(await world.read()).toEqual(model.lines())
        }
      }),
      { numRuns: 60 },
    )
  })
})
