import { describe, expect, it } from '@jest/globals'
import { Labels } from '../../src/domain/labels.ts'
import { Ingest, type IngestParts } from '../../src/ingest/ingest.ts'
import { registry } from '../../src/telemetry/metrics.ts'
import { bitsOf, replay, TestClock, TestLog, TestRandom } from './fakes.ts'
import { metadataField, seriesField, snappyCompress, writeRequest } from './write-request.ts'

function ingestOn(log: TestLog, parts: Partial<IngestParts> = {}) {
  const clock = new TestClock()
  return { clock, ingest: new Ingest({ log, clock, random: new TestRandom(), knownSeriesMax: 10_000, knownBytesMax: 2 ** 22, ...parts }) }
}

const series = (metric: string, host: number) =>
  [
    ['__name__', metric],
    ['host', `host-${host}`],
  ] as const

describe('remote write', () => {
  it('is in the log, bit for bit, when it is acknowledged', async () => {
    const log = new TestLog()
    const { ingest, clock } = ingestOn(log)
    const stale = [2, 0x7ff00000] as const
    const result = await ingest.writeRemote(
      writeRequest([
        { labels: series('up', 1), samples: [{ time: clock.now, value: 1.5 }] },
        {
          labels: series('up', 2),
          samples: [
            { time: clock.now - 1000, value: -0 },
            { time: clock.now, bits: stale },
          ],
        },
      ]),
      'test',
    )
    expect(result).toMatchObject({ acceptedSamples: 3, rejectedSamples: 0, rejected: [] })
    expect(result.position).toMatch(/^p1_/)
    const { samples } = replay(log.records)
    expect(samples).toHaveLength(3)
    expect(samples).toEqual(
      expect.arrayContaining([
        { series: 'up{host="host-1"}', time: clock.now, ...bitsOf(1.5) },
        { series: 'up{host="host-2"}', time: clock.now - 1000, ...bitsOf(-0) },
        { series: 'up{host="host-2"}', time: clock.now, low: 2, high: 0x7ff00000 },
      ]),
    )
  })

  it('declares a series once, then refers to it', async () => {
    const log = new TestLog()
    const { ingest, clock } = ingestOn(log)
    for (let step = 0; step < 5; step++) {
      clock.now += 10_000
      const all = Array.from({ length: 100 }, (_, i) => ({ labels: series('cpu', i), samples: [{ time: clock.now, value: i }] }))
      await ingest.writeRemote(snappyCompress(Uint8Array.from(all.flatMap(seriesField))), 'test')
    }
    const { samples, declarations } = replay(log.records)
    expect(samples).toHaveLength(500)
    expect(declarations).toBe(100)
    expect(log.appends).toBe(5)
  })

  it('declares metadata when it is new or changed', async () => {
    const log = new TestLog()
    const { ingest } = ingestOn(log)
    const body = (help: string) => snappyCompress(Uint8Array.from(metadataField(1, 'http_requests_total', help, '')))
    await ingest.writeRemote(body('Requests.'), 'test')
    await ingest.writeRemote(body('Requests.'), 'test')
    await ingest.writeRemote(body('All requests.'), 'test')
    expect(replay(log.records).metadata).toEqual([
      { metric: 'http_requests_total', type: 'counter', help: 'Requests.', unit: '' },
      { metric: 'http_requests_total', type: 'counter', help: 'All requests.', unit: '' },
    ])
  })
})

describe('a batch', () => {
  it('is in the log when it is acknowledged', async () => {
    const log = new TestLog()
    const { ingest, clock } = ingestOn(log)
    const up = Labels.fromObject({ __name__: 'up', job: 'x' })
    const result = await ingest.appendSamples(
      { labels: [up, up, Labels.EMPTY], times: Float64Array.of(clock.now, 5, clock.now), values: Float64Array.of(1, 2, 3) },
      'scrape',
    )
    expect(result).toMatchObject({
      acceptedSamples: 1,
      rejectedSamples: 2,
      rejected: [
        { series: 'up{job="x"}', reason: 'too-old', samples: 1 },
        { series: '{}', reason: 'no-labels', samples: 1 },
      ],
    })
    expect(replay(log.records).samples).toEqual([{ series: 'up{job="x"}', time: clock.now, ...bitsOf(1) }])
  })
})

describe('a JSON push', () => {
  it('is in the log when it is acknowledged, once for each key', async () => {
    const log = new TestLog()
    const { ingest, clock } = ingestOn(log)
    const body = Buffer.from(
      JSON.stringify({
        idempotencyKey: 'k1',
        series: [{ labels: { __name__: 'jobs', queue: 'a' }, samples: [[clock.now - 5, 'NaN'], [7.5]] }],
      }),
    )
    const first = await ingest.pushJson(body, 'me')
    const second = await ingest.pushJson(body, 'me')
    expect(second).toBe(first)
    expect(log.appends).toBe(1)
    expect(replay(log.records).samples.map(({ time, high }) => [time, high])).toEqual([
      [clock.now - 5, 0x7ff80000],
      [clock.now, bitsOf(7.5).high],
    ])
  })
})

describe('the metrics of ingest', () => {
  const value = async (name: string, labels: Record<string, string> = {}) => {
    const { values } = (await registry.getSingleMetric(name)!.get()) as { values: { value: number; labels: Record<string, string> }[] }
    return values.find((one) => Object.entries(labels).every(([key, text]) => one.labels[key] === text))?.value ?? 0
  }
  const all = async () => ({
    accepted: await value('tidemark_ingest_samples_total', { result: 'accepted' }),
    rejected: await value('tidemark_ingest_samples_total', { result: 'rejected' }),
    tooOld: await value('tidemark_ingest_rejected_samples_total', { reason: 'too-old' }),
    requests: await value('tidemark_ingest_requests_total', { protocol: 'remote_write' }),
    malformed: await value('tidemark_ingest_failed_requests_total', { protocol: 'remote_write', reason: 'malformed' }),
    declared: await value('tidemark_ingest_series_declared_total'),
    predicted: await value('tidemark_ingest_alias_lookups_total', { result: 'predicted' }),
    misses: await value('tidemark_ingest_alias_lookups_total', { result: 'miss' }),
  })

  it('count what became of samples, requests and series', async () => {
    const { ingest, clock } = ingestOn(new TestLog())
    const before = await all()
    const body = writeRequest([
      { labels: series('up', 1), samples: [{ time: clock.now, value: 1 }] },
      { labels: series('up', 2), samples: [{ time: clock.now, value: 1 }] },
      { labels: series('up', 3), samples: [{ time: 1, value: 1 }] },
    ])
    await ingest.writeRemote(body, 'test')
    await ingest.writeRemote(body, 'test')
    await expect(ingest.writeRemote(Uint8Array.of(9), 'test')).rejects.toThrow('not a snappy block')
    const after = await all()
    const grown = Object.fromEntries(Object.entries(after).map(([name, now]) => [name, now - before[name as keyof typeof before]]))
    expect(grown).toMatchObject({ accepted: 4, rejected: 2, tooOld: 2, requests: 2, malformed: 1, declared: 2, predicted: 2 })
    expect(grown.misses).toBeGreaterThanOrEqual(3)
  })
})
