import { describe, expect, it } from '@jest/globals'
import { EngineError } from '../../src/domain/errors.ts'
import { BadRequestError } from '../../src/ingest/errors.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { bitsOf, replay, TestClock, TestLog, TestRandom } from './fakes.ts'

function setUp() {
  const log = new TestLog()
  const clock = new TestClock()
  return { log, clock, ingest: new Ingest({ log, clock, random: new TestRandom(), knownSeriesMax: 1000, knownBytesMax: 2 ** 22 }) }
}

const one = (samples: unknown, extra: object = {}) => ({ series: [{ labels: { __name__: 'jobs' }, samples }], ...extra })

describe('a JSON push', () => {
  it('takes times as milliseconds, as ISO 8601 or now, and the values that JSON lacks as text', async () => {
    const { log, clock, ingest } = setUp()
    const iso = new Date(clock.now - 2000).toISOString()
    const zoned = new Date(clock.now - 3000 + 7_200_000).toISOString().replace('Z', '+02:00')
    await ingest.pushJson(one([[clock.now - 1000, 1.5], [iso, '+Inf'], [zoned, '-Inf'], [null, 'NaN'], [7]]), 'me')
    expect(replay(log.records).samples.map(({ time, high, low }) => [time - clock.now, high, low])).toEqual(
      (
        [
          [-1000, 1.5],
          [-2000, Number.POSITIVE_INFINITY],
          [-3000, Number.NEGATIVE_INFINITY],
          [0, Number.NaN],
          [0, 7],
        ] as const
      ).map(([age, value]) => [age, bitsOf(value).high, bitsOf(value).low]),
    )
  })

  it('brings metadata along', async () => {
    const { log, ingest } = setUp()
    await ingest.pushJson(one([[1]], { metadata: [{ metric: 'jobs', type: 'gauge', help: 'Jobs.' }] }), 'me')
    expect(replay(log.records).metadata).toEqual([{ metric: 'jobs', type: 'gauge', help: 'Jobs.', unit: '' }])
  })

  it.each([
    ['is not JSON', Buffer.from('{'), /^body is not JSON: /],
    ['is not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), /^body is not JSON: /],
    ['is no object', [], /^body: /],
    ['has no series', {}, /^series: /],
    ['has a field that is not known', { series: [], serie: [] }, /^body: .*"serie"/],
    [
      'has a label that is a number',
      { series: [{ labels: { __name__: 'up', port: 80 }, samples: [] }] },
      /^series\[0\]\.labels\.port: .*string/,
    ],
    [
      'has a value that is text',
      one([
        [1, 2],
        [1, 'high'],
      ]),
      /^series\[0\]\.samples\[1\]\[1\]: expected a number, "NaN", "\+Inf" or "-Inf"$/,
    ],
    ['has a sample that is a number', one([1]), /^series\[0\]\.samples\[0\]: expected \[time, value\] or \[value\]$/],
    ['has a sample of three', one([[1, 2, 3]]), /^series\[0\]\.samples\[0\]: expected/],
    ['has samples that are no array', one(7), /^series\[0\]\.samples: expected an array of samples$/],
    ['has a day that is none', one([['2026-02-30T00:00:00Z', 2]]), /^series\[0\]\.samples\[0\]\[0\]: /],
    ['has a time that is a fraction', one([[1.5, 2]]), /^series\[0\]\.samples\[0\]\[0\]: expected whole milliseconds/],
    [
      'has a time without zone',
      one([['2026-01-01T00:00:00', 2]]),
      /^series\[0\]\.samples\[0\]\[0\]: expected whole milliseconds since the epoch, an ISO 8601 time with its zone, or null$/,
    ],
  ])('that %s is refused with the path', async (_, body, message) => {
    const { log, ingest } = setUp()
    const error = await ingest.pushJson(body, 'me').catch((thrown) => thrown)
    expect(error).toBeInstanceOf(BadRequestError)
    expect(error.message).toMatch(message)
    expect(log.appends).toBe(0)
  })
})

describe('an idempotency key', () => {
  const body = (key: string) => one([[1]], { idempotencyKey: key })

  it('shares an append that is under way', async () => {
    const { log, ingest } = setUp()
    log.hold = true
    const answers = [ingest.pushJson(body('a'), 'me'), ingest.pushJson(body('a'), 'me')]
    log.settle(0, true, null)
    const [first, second] = await Promise.all(answers)
    expect(second).toBe(first)
    expect(log.appends).toBe(1)
  })

  it('counts for one sender and one key', async () => {
    const { log, ingest } = setUp()
    await ingest.pushJson(body('a'), 'me')
    await ingest.pushJson(body('b'), 'me')
    await ingest.pushJson(body('a'), 'you')
    expect(log.appends).toBe(3)
  })

  it('is forgotten when the append failed', async () => {
    const { log, ingest } = setUp()
    log.failWith = new EngineError('LOG_WRITE', 'disk full', { retryable: true })
    await expect(ingest.pushJson(body('a'), 'me')).rejects.toThrow('disk full')
    log.failWith = null
    expect(await ingest.pushJson(body('a'), 'me')).toMatchObject({ acceptedSamples: 1 })
  })

  it('is kept for ten minutes', async () => {
    const { log, clock, ingest } = setUp()
    await ingest.pushJson(body('a'), 'me')
    clock.now += 599_000
    await ingest.pushJson(body('a'), 'me')
    expect(log.appends).toBe(1)
    clock.now += 2_000
    await ingest.pushJson(body('a'), 'me')
    expect(log.appends).toBe(2)
  })
})
