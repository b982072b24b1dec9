/** What is refused, by name and reason, and that nothing else is lost with it. */
import { describe, expect, it } from '@jest/globals'
import { Labels } from '../../src/domain/labels.ts'
import { BadRequestError } from '../../src/ingest/errors.ts'
import { Ingest, type IngestLimits } from '../../src/ingest/ingest.ts'
import { replay, TestClock, TestLog, TestRandom } from './fakes.ts'
import { field, labelField, sampleField, snappyLiteral, text, writeRequest } from './write-request.ts'

const DAY_MS = 86_400_000

function setUp(limits: Partial<IngestLimits> = {}) {
  const log = new TestLog()
  const clock = new TestClock()
  return { log, clock, ingest: new Ingest({ log, clock, random: new TestRandom(), limits, knownSeriesMax: 1000, knownBytesMax: 2 ** 22 }) }
}

const now = new TestClock().now
const good = field(1, [...labelField('__name__', 'good'), ...sampleField({ time: now, value: 1 })])
const seriesOf = (...labels: (readonly [string, string])[]) =>
  field(1, [...labels.flatMap(([name, value]) => labelField(name, value)), ...sampleField({ time: now, value: 1 })])
const at = (time: number) => field(1, [...labelField('__name__', 'up'), ...sampleField({ time, value: 1 })])

describe('a series is refused by name', () => {
  it.each([
    ['without labels', field(1, sampleField({ time: now, value: 1 })), 'no-labels', '{}'],
    ['without a metric name', seriesOf(['a', 'b']), 'no-metric-name', '{a="b"}'],
    ['with an empty metric name', seriesOf(['__name__', ''], ['a', 'b']), 'no-metric-name', '{a="b"}'],
    ['with an empty label name', seriesOf(['', 'x'], ['__name__', 'up']), 'invalid-label-name', 'up{="x"}'],
    ['with a label twice', seriesOf(['__name__', 'up'], ['a', '1'], ['b', '2'], ['a', '3']), 'duplicate-label', 'up{a="1", b="2", a="3"}'],
    [
      'with too many labels',
      seriesOf(['__name__', 'up'], ['a', '1'], ['b', '2'], ['c', '3']),
      'too-many-labels',
      'up{a="1", b="2", c="3"}',
    ],
    ['with a long label name', seriesOf(['__name__', 'up'], ['a'.repeat(11), '1']), 'label-name-too-long', `up{${'a'.repeat(11)}="1"}`],
    ['with a long label value', seriesOf(['__name__', 'up'], ['a', 'ü'.repeat(11)]), 'label-value-too-long', `up{a="${'ü'.repeat(11)}"}`],
    [
      'that is not UTF-8',
      field(1, [
        ...labelField('__name__', 'up'),
        ...field(1, [...field(1, text('a')), ...field(2, [0xff])]),
        ...sampleField({ time: now }),
      ]),
      'invalid-utf8',
      'up{a="\ufffd"}',
    ],
    ['with a native histogram', field(1, [...labelField('__name__', 'up'), ...field(4, [8, 1])]), 'unsupported-histogram', 'up'],
    ['of long ago', at(now - 7 * DAY_MS - 1), 'too-old', 'up'],
    ['of before 1970', at(-1), 'too-old', 'up'],
    ['of tomorrow', at(now + DAY_MS), 'too-far-in-future', 'up'],
    ['of the end of time', at(Number.MAX_SAFE_INTEGER), 'too-far-in-future', 'up'],
  ])('%s, and the others are taken', async (_, bad, reason, series) => {
    const { log, ingest } = setUp({
      labelsPerSeriesMax: reason === 'too-many-labels' ? 3 : 4,
      labelNameBytesMax: 10,
      labelValueBytesMax: 20,
    })
    for (let again = 0; again < 2; again++) {
      const result = await ingest.writeRemote(snappyLiteral(Uint8Array.from([...good, ...bad, ...good])), 'test')
      expect(result).toMatchObject({ acceptedSamples: 2, rejectedSamples: 1, rejected: [{ series, reason, samples: 1 }] })
      expect(result.rejected[0]!.message).toMatch(/^\S/)
    }
    expect(replay(log.records).samples.map((sample) => sample.series)).toEqual(['good', 'good', 'good', 'good'])
  })

  it('with all samples of it that are out of bounds counted, and those within taken', async () => {
    const { ingest, log } = setUp()
    const samples = [now, now - 8 * DAY_MS, now - 9 * DAY_MS, now + DAY_MS, now - 7 * DAY_MS, now + 600_000].map((time) => ({
      time,
      value: 1,
    }))
    const result = await ingest.writeRemote(writeRequest([{ labels: [['__name__', 'up']], samples }]), 'test')
    expect(result).toMatchObject({
      acceptedSamples: 3,
      rejectedSamples: 3,
      rejected: [
        { series: 'up', reason: 'too-old', samples: 2 },
        { series: 'up', reason: 'too-far-in-future', samples: 1 },
      ],
    })
    expect(replay(log.records).samples.map(({ time }) => time)).toEqual([now, now - 7 * DAY_MS, now + 600_000])
  })

  it('when the sender has too many, each sender on its own', async () => {
    const { clock, ingest } = setUp({ seriesPerSenderMax: 2 })
    const write = (hosts: string[], sender: string) =>
      ingest.writeRemote(
        writeRequest(
          hosts.map((host) => ({
            labels: [
              ['__name__', 'up'],
              ['host', host],
            ],
            samples: [{ time: now, value: 1 }],
          })),
        ),
        sender,
      )
    expect(await write(['a', 'b', 'c'], 'one')).toMatchObject({
      acceptedSamples: 2,
      rejected: [{ series: 'up{host="c"}', reason: 'too-many-series', message: 'the sender has 2 series already, more are not allowed' }],
    })
    expect(await write(['a', 'b'], 'one')).toMatchObject({ acceptedSamples: 2, rejected: [] })
    expect(await write(['c'], 'two')).toMatchObject({ acceptedSamples: 1 })
    // Series that are gone do not count for ever.
    clock.now += 3_600_000
    expect(await write(['d', 'e', 'f'], 'one')).toMatchObject({ acceptedSamples: 2, rejectedSamples: 1 })
  })

  it('a hundred times at most, all of them counted', async () => {
    const { ingest } = setUp()
    const result = await ingest.writeRemote(snappyLiteral(Uint8Array.from(Array.from({ length: 150 }, () => at(1)).flat())), 'test')
    expect(result.rejected).toHaveLength(100)
    expect(result.rejectedSamples).toBe(150)
  })
})

describe('labels', () => {
  it('in any order, with empty ones among them, are one series', async () => {
    const { log, ingest } = setUp()
    const bytes = [
      seriesOf(['__name__', 'up'], ['a', '1'], ['b', '2']),
      seriesOf(['b', '2'], ['__name__', 'up'], ['a', '1']),
      seriesOf(['__name__', 'up'], ['a', '1'], ['b', '2'], ['c', '']),
    ].flat()
    await ingest.writeRemote(snappyLiteral(Uint8Array.from(bytes)), 'test')
    await ingest.appendSamples(
      { labels: [Labels.fromObject({ __name__: 'up', a: '1', b: '2' })], times: Float64Array.of(now), values: Float64Array.of(1) },
      'test',
    )
    const { samples, labels } = replay(log.records)
    expect(new Set(samples.map(({ series }) => series))).toEqual(new Set(['up{a="1", b="2"}']))
    expect(new Set(log.records.map(({ partition }) => partition)).size).toBe(1)
    expect(new Set(labels.map(({ key }) => key)).size).toBe(1)
  })

  it('that JavaScript holds but UTF-8 can not are refused', async () => {
    const { ingest } = setUp()
    const broken = Labels.fromObject({ __name__: 'up', a: '\ud800' })
    const result = await ingest.appendSamples({ labels: [broken], times: Float64Array.of(now), values: Float64Array.of(1) }, 'test')
    expect(result).toMatchObject({ acceptedSamples: 0, rejected: [{ reason: 'invalid-utf8' }] })
  })
})

describe('a body that can never succeed', () => {
  it.each([
    ['is not snappy', Uint8Array.of(255, 255), 'malformed', /^body is not a snappy block: snappy: .* at byte 0$/],
    [
      'declares 2 GiB',
      Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08, 0),
      'too-large',
      /^body declares 2147483648 decompressed bytes, at most/,
    ],
    ['is cut off', writeRequest([{ labels: [['__name__', 'up']], samples: [{ time: now }] }]).slice(0, -3), 'malformed', /at byte \d+$/],
    [
      'holds a cut series',
      snappyLiteral(Uint8Array.from([...good, 10, 100, 1])),
      'malformed',
      /^write request: field 1 of 100 bytes, 1 are left at byte \d+$/,
    ],
    [
      'has a wrong wire type',
      snappyLiteral(Uint8Array.from([...good, 8, 1])),
      'malformed',
      /^write request: a time series has wire type 0, not 2 at byte \d+$/,
    ],
    ['is larger than allowed', new Uint8Array(2001), 'too-large', 'body of 2001 bytes, at most 2000 are allowed'],
    [
      'has too many series',
      snappyLiteral(Uint8Array.from([...good, ...good, ...good, ...good])),
      'too-large',
      'write request: 4 series, at most 3 are allowed',
    ],
  ])('%s: it is refused whole', async (_, body, reason, message) => {
    const { log, ingest } = setUp({ bodyBytesMax: 2000, seriesPerRequestMax: 3 })
    const error = await ingest.writeRemote(body, 'test').catch((thrown) => thrown)
    expect(error).toBeInstanceOf(BadRequestError)
    expect(error.reason).toBe(reason)
    expect(error.message).toMatch(message)
    expect(log.appends).toBe(0)
    expect(await ingest.writeRemote(snappyLiteral(Uint8Array.from(good)), 'test')).toMatchObject({ acceptedSamples: 1 })
  })

  it('but an empty one succeeds and appends nothing', async () => {
    const { log, ingest } = setUp()
    expect(await ingest.writeRemote(Uint8Array.of(0), 'test')).toEqual({
      acceptedSamples: 0,
      rejectedSamples: 0,
      rejected: [],
      position: 'p1_',
    })
    expect(log.appends).toBe(0)
  })
})
