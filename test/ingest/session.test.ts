/** What stands in the log, in which order, when requests overlap and appends fail: a producer session's promises. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { EngineError } from '../../src/domain/errors.ts'
import { decodeSamplesRecord, SamplesColumns } from '../../src/domain/events/samples-record.ts'
import { Labels } from '../../src/domain/labels.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { replay, TestClock, TestLog, TestRandom } from './fakes.ts'
import { seriesField, snappyLiteral, writeRequest } from './write-request.ts'

const HOUR_MS = 3_600_000

function setUp(options: { knownSeriesMax?: number; appendBytesInFlightMax?: number; batches?: boolean } = {}) {
  const log = new TestLog()
  const clock = new TestClock()
  const { knownSeriesMax = 1000, appendBytesInFlightMax = 2 ** 20 } = options
  const ingest = new Ingest({
    log,
    clock,
    random: new TestRandom(),
    knownSeriesMax,
    knownBytesMax: 2 ** 22,
    limits: { appendBytesInFlightMax },
    ...(options.batches && { later: () => new Promise<void>((resolve) => setImmediate(resolve)) }),
  })
  const write = (hosts: readonly number[]) =>
    ingest.writeRemote(
      writeRequest(
        hosts.map((host) => ({
          labels: [
            ['__name__', 'up'],
            ['host', `h${host}`],
          ],
          samples: [{ time: clock.now, value: host }],
        })),
      ),
      'test',
    )
  return { log, clock, ingest, write }
}

const lost = new EngineError('LOG_WRITE', 'disk full', { retryable: true })

describe('a producer session', () => {
  it('never lets a sample refer to what was not declared or acknowledged, however requests overlap and fail', async () => {
    const action = fc.oneof(
      { weight: 3, arbitrary: fc.record({ write: fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 5 }) }) },
      { weight: 3, arbitrary: fc.record({ settle: fc.nat(5), stored: fc.boolean(), fails: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ passMs: fc.integer({ min: 1, max: HOUR_MS }) }) },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 40, size: 'max' }),
        fc.constantFrom(3, 1000),
        fc.boolean(),
        async (actions, knownSeriesMax, batches) => {
          const { log, clock, write } = setUp({ knownSeriesMax, batches })
          log.hold = true
          const answers: Promise<unknown>[] = []
          for (const next of actions) {
            if ('write' in next) answers.push(write(next.write).catch((error) => expect(error).toBe(lost)))
            else if ('passMs' in next) clock.now += next.passMs
            else if (log.held.length > 0) log.settle(next.settle % log.held.length, next.stored || !next.fails, next.fails ? lost : null)
            // Lets whoever waits for what was settled go on.
            await new Promise((resolve) => setImmediate(resolve))
          }
          let open = true
          const all = Promise.all(answers).finally(() => {
            open = false
          })
          while (open) {
            while (log.held.length > 0) log.settle(0, true, null)
            await new Promise((resolve) => setImmediate(resolve))
          }
          await all
          expect(log.violations).toEqual([])
          replay(log.records)
        },
      ),
      { numRuns: 120 },
    )
  })

  it('puts requests that come together into one record a partition, without what one of them was refused for', async () => {
    const { log, clock, ingest, write } = setUp({ batches: true })
    const series = (host: number, name: string) => ({
      labels: [
        ['__name__', name],
        ['host', `h${host}`],
      ] as [string, string][],
      samples: [{ time: clock.now, value: host }],
    })
    const good = writeRequest([series(1, 'up'), series(2, 'up')])
    // Its last field says that it is longer than what follows: found out when its first series are taken already.
    const broken = snappyLiteral(Uint8Array.from([...[2, 3, 4].flatMap((host) => seriesField(series(host, 'up'))), 0x0a, 0x7f]))
    const answers = await Promise.allSettled([
      ingest.writeRemote(good, 'a'),
      ingest.writeRemote(broken, 'b'),
      write([3]),
      ingest.writeRemote(broken, 'b'),
      write([1]),
    ])
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(new Set(log.records.map(({ partition }) => partition)).size).toBe(log.records.length)
    const { samples, declarations } = replay(log.records)
    expect(declarations).toBe(3)
    expect(samples.map((sample) => /h\d/.exec(sample.series)?.[0]).sort()).toEqual(['h1', 'h1', 'h2', 'h3'])
    const one = await write([2, 3, 4])
    expect([one.acceptedSamples, replay(log.records).samples.length]).toEqual([3, 7])
  })

  it('declares in every record until a declaration is acknowledged', async () => {
    const { log, write } = setUp()
    log.hold = true
    const first = write([1])
    const second = write([1])
    log.settle(1, true, null)
    log.settle(0, true, null)
    await Promise.all([first, second])
    log.hold = false
    await write([1])
    expect(replay(log.records)).toMatchObject({ declarations: 2, samples: { length: 3 } })
  })

  it('ends when an append fails: the next one begins another and declares anew', async () => {
    const { log, write } = setUp()
    await write([1, 2])
    const sessionOf = (index: number) => log.records[index]!.headers.ce_source
    log.failWith = lost
    await expect(write([1])).rejects.toBe(lost)
    log.failWith = null
    const before = log.records.length
    await write([1])
    expect(sessionOf(before)).not.toBe(sessionOf(0))
    expect(replay(log.records.slice(before))).toMatchObject({ declarations: 1, samples: { length: 1 } })
  })

  it('declares every series again within the hour, not all at once', async () => {
    const { log, clock, write } = setUp()
    const hosts = Array.from({ length: 200 }, (_, i) => i)
    const declaredAt = new Map<string, number>()
    const perRequest: number[] = []
    for (let minute = 0; minute <= 150; minute++) {
      clock.now += 60_000
      const before = log.records.length
      await write(hosts)
      const labels = log.records.slice(before).flatMap(({ payload }) => decodeSamplesRecord(payload, new SamplesColumns()).declarations)
      for (const one of labels) declaredAt.set(one.labels.toString(), clock.now)
      perRequest.push(labels.length)
      for (const at of declaredAt.values()) expect(clock.now - at).toBeLessThan(HOUR_MS)
    }
    expect(declaredAt.size).toBe(200)
    expect(Math.max(...perRequest.slice(1))).toBeLessThan(40)
  })

  it('refuses to take more while too much is on its way to the log, and goes on when it has arrived', async () => {
    const { log, write } = setUp({ appendBytesInFlightMax: 100 })
    log.hold = true
    const first = write([1, 2, 3])
    await expect(write([4])).rejects.toMatchObject({ code: 'LOG_BUSY', retryable: true })
    log.settle(0, true, null)
    await first
    log.hold = false
    await expect(write([4])).resolves.toMatchObject({ acceptedSamples: 1 })
  })

  it('stamps its records with CloudEvents headers, each id once', async () => {
    const { log, write } = setUp()
    await write([1, 2, 3, 4])
    await write([1, 2, 3, 4])
    expect(log.records[0]!.headers).toEqual({
      ce_specversion: '1.0',
      ce_type: 'tidemark.samples.recorded.v1',
      ce_source: expect.stringMatching(/^urn:tidemark:session:[0-9a-f]{32}$/),
      ce_id: expect.any(String),
      'content-type': 'application/vnd.tidemark.samples.v1',
    })
    expect(new Set(log.records.map(({ headers }) => headers.ce_id)).size).toBe(log.records.length)
  })
})

describe('a large request', () => {
  it('of one series with more samples than a record takes is written in several', async () => {
    const { log, clock, ingest } = setUp()
    const samples = Array.from({ length: 70_000 }, (_, i) => ({ time: clock.now - i, value: i }))
    const result = await ingest.writeRemote(writeRequest([{ labels: [['__name__', 'up']], samples }]), 'test')
    expect(result.acceptedSamples).toBe(70_000)
    expect(log.records.length).toBe(3)
    expect(log.violations).toEqual([])
    expect(new Set(replay(log.records).samples.map(({ time }) => time)).size).toBe(70_000)
  })

  it('of many new series with long labels is written in records that any log takes', async () => {
    const { log, clock, ingest } = setUp()
    const body = writeRequest(
      Array.from({ length: 900 }, (_, i) => ({
        labels: [
          ['__name__', `m${i % 3}`],
          ['text', `${i} `.padEnd(3000, 'x')],
        ],
        samples: [{ time: clock.now, value: i }],
      })),
    )
    for (let i = 0; i < 2; i++) expect(await ingest.writeRemote(body, 'test')).toMatchObject({ acceptedSamples: 900, rejectedSamples: 0 })
    expect(log.violations).toEqual([])
    expect(Math.max(...log.records.map(({ payload }) => payload.length))).toBeLessThan(600 * 1024)
    expect(replay(log.records).samples).toHaveLength(1800)
  })

  it('of much metadata is written in records that any log takes', async () => {
    const { log, ingest } = setUp()
    const none = { labels: [], times: new Float64Array(), values: new Float64Array() }
    const metadata = Array.from({ length: 1000 }, (_, i) => ({
      metric: `m${i}`,
      type: 'gauge' as const,
      help: `${i} `.padEnd(4000, 'x'),
      unit: '',
    }))
    await ingest.appendSamples({ ...none, metadata }, 'test')
    expect(replay(log.records).metadata).toHaveLength(1000)
    expect(Math.max(...log.records.map(({ payload }) => payload.length))).toBeLessThan(600 * 1024)
  })

  it('of a batch larger than the columns is written whole', async () => {
    const { log, clock, ingest } = setUp()
    const up = Labels.fromObject({ __name__: 'up' })
    const count = 140_000
    const labels = new Array<Labels>(count).fill(up)
    const times = Float64Array.from({ length: count }, (_, i) => clock.now - i)
    await ingest.appendSamples({ labels, times, values: new Float64Array(count) }, 'test')
    expect(log.violations).toEqual([])
    expect(replay(log.records).samples).toHaveLength(count)
  })
})
