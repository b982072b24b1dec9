import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { RingShare } from '../../../src/collect/ring/target-share.ts'
import { parseScrapeConfigs, type ScrapeConfig } from '../../../src/collect/scrape/config.ts'
import { ScrapeManager } from '../../../src/collect/scrape/scrape-manager.ts'
import type { AppendSamples } from '../../../src/domain/ports/append-samples.ts'
import { isStaleAt } from '../../../src/domain/sample.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryLog, membershipOf, ProcessClock } from './fleet.ts'

const INTERVAL_MS = 15_000
const TARGETS = 300
/** Silence until a collector is taken for dead (6 s), and how often that is looked at. */
const DETECTION_MS = 6250

interface Scrape {
  readonly collector: string
  readonly atMs: number
}

/** What collectors brought to the log: by target the scrapes that succeeded, and staleness markers. */
class Record {
  readonly scrapes = new Map<string, Scrape[]>()
  readonly stale: { collector: string; series: string }[] = []

  scrape(target: string, scrape: Scrape): void {
    const scrapes = this.scrapes.get(target)
    if (scrapes === undefined) this.scrapes.set(target, [scrape])
    else scrapes.push(scrape)
  }

  owners(): Map<string, string> {
    return new Map([...this.scrapes].map(([target, scrapes]) => [target, scrapes.at(-1)?.collector ?? '']))
  }

  /** Times between one scrape of a target and the next, since then. */
  gaps(sinceMs: number): number[] {
    return [...this.scrapes.values()].flatMap((scrapes) =>
      scrapes.flatMap(({ atMs }, i) => (i > 0 && atMs >= sinceMs ? [atMs - scrapes[i - 1].atMs] : [])),
    )
  }
}

class Collector {
  readonly name: string
  readonly clock: ProcessClock
  readonly manager: ScrapeManager
  readonly #leaving = new AbortController()
  readonly #following: Promise<void>

  constructor(name: string, clock: VirtualClock, log: MemoryLog, record: Record, jobs: readonly ScrapeConfig[], scrapeMs: number) {
    this.name = name
    this.clock = new ProcessClock(clock)
    const append: AppendSamples = {
      appendSamples: async (batch) => {
        const bits = new Uint32Array(batch.values.buffer)
        batch.labels.forEach((labels, i) => {
          if (isStaleAt(bits, i)) record.stale.push({ collector: name, series: String(labels) })
          else if (labels.get('__name__') === 'up' && batch.values[i] === 1)
            record.scrape(labels.get('instance'), { collector: name, atMs: batch.times[i] })
        })
        return { acceptedSamples: batch.labels.length, rejectedSamples: 0, rejected: [], position: '' }
      },
    }
    const fetch = async (_url: URL, _timeoutMs: number, signal: AbortSignal) => {
      // A scrape takes its time: ownership changes in the middle of some.
      await this.clock.sleep(scrapeMs, signal)
      return { text: 'm 1\n', contentType: 'text/plain', bytes: 4 }
    }
    const share = new RingShare(name)
    this.#following = share.follow(membershipOf(log, name, this.clock), this.#leaving.signal)
    const parts = { clock: this.clock, logger: silentLogger, userAgent: 'test', append, jobs, share }
    this.manager = new ScrapeManager({ ...parts, openFetcher: () => ({ fetch, close: () => {} }) })
  }

  /** In the order of the program: the others are told, then what has begun is finished. */
  async leave(): Promise<void> {
    this.#leaving.abort()
    await this.#following
    await this.manager.stop()
  }

  kill(): void {
    this.clock.stop()
  }
}

function jobsOf(config: object): readonly ScrapeConfig[] {
  const parsed = parseScrapeConfigs([{ job_name: 'j', ...config }], { scrapeIntervalMs: INTERVAL_MS, scrapeTimeoutMs: 10_000 })
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues))
  return parsed.jobs
}

/** Targets whose owner is another now. */
function moved(then: Map<string, string>, now: Map<string, string>): string[] {
  return [...then].flatMap(([target, owner]) => (now.get(target) === owner ? [] : [target]))
}

describe('collectors that share 300 targets at 15 s', () => {
  const jobs = jobsOf({ static_configs: [{ targets: Array.from({ length: TARGETS }, (_, i) => `host-${i}:9100`) }] })
  let clock: VirtualClock
  let log: MemoryLog
  let record: Record
  let alive: Collector[]

  async function start(name: string): Promise<Collector> {
    const collector = new Collector(name, clock, log, record, jobs, 900)
    alive.push(collector)
    await collector.manager.start()
    await clock.advance(10)
    return collector
  }

  beforeEach(async () => {
    clock = new VirtualClock()
    log = new MemoryLog(clock)
    record = new Record()
    alive = []
    for (const name of ['a', 'b', 'c']) await start(name)
    await clock.advance(2 * INTERVAL_MS + 1000)
    expect(record.scrapes.size).toBe(TARGETS)
  })

  afterEach(async () => {
    for (const collector of alive) collector.clock.goOn()
    const leaving = Promise.all(alive.map((collector) => collector.leave()))
    await clock.advance(5000)
    await leaving
  })

  it('scrape each exactly once an interval, also while one joins and one leaves; about 1/N moves, nothing is marked as ended', async () => {
    const sinceMs = clock.nowMs()
    const three = record.owners()
    // At an odd moment, in the middle of some scrapes.
    await clock.advance(4321)
    await start('d')
    await clock.advance(2 * INTERVAL_MS)
    const four = record.owners()
    const joined = moved(three, four)
    expect(joined.every((target) => four.get(target) === 'd')).toBe(true)
    expect(joined.length).toBeGreaterThan(TARGETS / 4 - 35)
    expect(joined.length).toBeLessThan(TARGETS / 4 + 35)
    expect(alive.reduce((sum, { manager }) => sum + manager.targets().length, 0)).toBe(TARGETS)

    const [a] = alive.splice(0, 1)
    const leaving = a.leave()
    await clock.advance(2 * INTERVAL_MS + 1000)
    await leaving
    const after = record.owners()
    const left = moved(four, after)
    expect(left.sort()).toEqual([...four].flatMap(([target, owner]) => (owner === 'a' ? [target] : [])).sort())

    // Every scrape of the whole time came one interval after the one before, whoever made it: none is missing, none is twice.
    expect(new Set(record.gaps(sinceMs))).toEqual(new Set([INTERVAL_MS]))
    expect(record.stale).toEqual([])
  })

  it('miss at most the scrapes of 6.25 s when one is killed', async () => {
    const sinceMs = clock.nowMs()
    const three = record.owners()
    const [b] = alive.splice(1, 1)
    await clock.advance(7777)
    b.kill()
    await clock.advance(3 * INTERVAL_MS)
    const ofB = [...three.values()].filter((owner) => owner === 'b').length
    expect(moved(three, record.owners()).length).toBe(ofB)
    const gaps = record.gaps(sinceMs)
    expect(new Set(gaps)).toEqual(new Set([INTERVAL_MS, 2 * INTERVAL_MS]))
    const missed = gaps.filter((gap) => gap > INTERVAL_MS).length
    expect(missed).toBeGreaterThan(0)
    // Its targets are spread over the interval: no more than were due until it was taken for dead, and chance.
    expect(missed).toBeLessThan((ofB * DETECTION_MS) / INTERVAL_MS + 15)
    expect(record.stale).toEqual([])
  })

  it('scrape a target twice in one interval at most once, when one was stopped for long and wakes', async () => {
    const sinceMs = clock.nowMs()
    const [, b] = alive
    b.clock.stop()
    await clock.advance(2 * INTERVAL_MS)
    const ofB = [...record.owners().values()].filter((owner) => owner === 'b').length
    expect(ofB).toBe(0)
    b.clock.goOn()
    await clock.advance(3 * INTERVAL_MS)
    for (const scrapes of record.scrapes.values()) {
      const doubled = scrapes.filter(({ atMs }, i) => atMs >= sinceMs && i > 0 && atMs - scrapes[i - 1].atMs < INTERVAL_MS)
      // The overdue one on waking is one too many; the next on the grid comes early after it.
      expect(doubled.length).toBeLessThanOrEqual(2)
      expect(scrapes.every(({ atMs }, i) => i === 0 || atMs - scrapes[i - 1].atMs <= 2 * INTERVAL_MS)).toBe(true)
    }
    expect([...record.owners().values()].filter((owner) => owner === 'b').length).toBeGreaterThan(TARGETS / 3 - 40)
    expect(record.stale).toEqual([])
  })
})

describe('a target that vanishes from a file', () => {
  it('gets its staleness markers once, from the collector that had it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-sharing-'))
    try {
      const file = join(folder, 'targets.json')
      const targets = Array.from({ length: 20 }, (_, i) => `host-${i}:9100`)
      await writeFile(file, JSON.stringify([{ targets }]))
      const clock = new VirtualClock()
      const log = new MemoryLog(clock)
      const record = new Record()
      const jobs = jobsOf({ file_sd_configs: [{ files: [file] }] })
      const collectors = ['a', 'b'].map((name) => new Collector(name, clock, log, record, jobs, 100))
      for (const { manager } of collectors) await manager.start()
      await clock.advance(2 * INTERVAL_MS)
      expect(record.scrapes.size).toBe(20)
      const owner = record.owners().get('host-7:9100')

      await writeFile(file, JSON.stringify([{ targets: targets.filter((target) => target !== 'host-7:9100') }]))
      for (let looks = 0; record.stale.length === 0 && looks < 1000; looks++) {
        await clock.advance(500)
        await turn()
      }
      expect(record.stale.map(({ collector, series }) => [collector, series])).toContainEqual([
        owner,
        expect.stringMatching(/^m{instance="host-7:9100"/),
      ])
      await clock.advance(2 * INTERVAL_MS)
      expect(new Set(record.stale.map(({ collector }) => collector))).toEqual(new Set([owner]))
      // The series and the five about the scrape.
      expect(new Set(record.stale.map(({ series }) => series)).size).toBe(record.stale.length)
      expect(record.stale.length).toBe(6)
      const leaving = Promise.all(collectors.map((collector) => collector.leave()))
      await clock.advance(5000)
      await leaving
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
