import { describe, expect, it } from '@jest/globals'
import { CorruptionError, EngineError } from '../../src/domain/errors.ts'
import type { Freshness } from '../../src/domain/ports/freshness.ts'
import type { SeriesReader } from '../../src/domain/ports/series-reader.ts'
import { QueryEngine, type QueryLimits } from '../../src/query/query-engine.ts'
import type { QueryErrorCode } from '../../src/query/query-service.ts'
import { MemorySeries, type Points } from '../support/memory-series.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const never = new AbortController().signal
const rising = (count: number, by = 1): Points => Array.from({ length: count }, (_, i) => [i * 10_000, i * by] as const)

const caughtUp: Freshness = {
  pinned: () => ({ position: 'p1_0.5', ageMs: 0 }),
  waitFor: async (position) => (position.startsWith('p1_') ? 'reached' : 'unknown'),
}

function engineOver(reader: SeriesReader, options: { limits?: Partial<QueryLimits>; freshness?: Freshness; clock?: VirtualClock } = {}) {
  const { limits, freshness = caughtUp, clock = new VirtualClock() } = options
  return new QueryEngine({ reader, labels: new MemorySeries(), freshness, clock, ...(limits && { limits }) })
}

const withCode = (code: QueryErrorCode, message: string | RegExp) =>
  expect.objectContaining({ name: 'QueryError', code, message: typeof message === 'string' ? message : expect.stringMatching(message) })

describe('a query', () => {
  it('answers an instant vector with what was pinned and what was read', async () => {
    const reader = new MemorySeries({ 'up{job="a"}': rising(7), 'up{job="b"}': rising(7, 2), other: rising(7) })
    const answer = await engineOver(reader).instant({ expr: 'sum by (job) (up) + 1', timeMs: 60_000 }, never)
    expect(answer).toMatchObject({ asOf: 'p1_0.5', ageMs: 0, stats: { seriesMatched: 2, samplesRead: 14 } })
    expect(answer.result.type === 'vector' && answer.result.series.map(({ labels, value }) => [labels.toString(), value])).toEqual([
      ['{job="a"}', 7],
      ['{job="b"}', 13],
    ])
  })

  it('answers a range query on its grid', async () => {
    const reader = new MemorySeries({ requests_total: rising(31, 10) })
    const { result } = await engineOver(reader).range(
      { expr: 'rate(requests_total[1m])', startMs: 100_000, endMs: 250_000, stepMs: 50_000 },
      never,
    )
    expect([...result.timestamps]).toEqual([100_000, 150_000, 200_000, 250_000])
    expect(result.series.map(({ values }) => [...values])).toEqual([[1, 1, 1, 1]])
  })

  it('loads once what several selectors want of overlapping times', async () => {
    const reader = new MemorySeries({ a: rising(100), b: rising(100) })
    const { result } = await engineOver(reader).instant(
      { expr: 'a - a + rate(a[5m]) + a offset 1m - b - a offset 12h', timeMs: 600_000 },
      never,
    )
    expect(result).toMatchObject({ type: 'vector', series: [] })
    expect(reader.selected.map(({ matchers, range }) => [matchers[0]?.value, range.startMs, range.endMs])).toEqual([
      ['a', -42_900_000, -42_600_000],
      ['a', 240_000, 600_000],
      ['b', 300_000, 600_000],
    ])
  })

  it('uses the step and the length of its own range in durations', async () => {
    const reader = new MemorySeries({ a: rising(100) })
    const engine = engineOver(reader)
    for (const [stepMs, counted] of [
      [20_000, 2],
      [30_000, 3],
    ] as const) {
      const query = { expr: 'count_over_time(a[step()])', startMs: 300_000, endMs: 300_000 + stepMs, stepMs }
      const { result } = await engine.range(query, never)
      expect([...(result.series[0]?.values ?? [])]).toEqual([counted, counted])
    }
  })

  it.each<[string, string, QueryErrorCode, string | RegExp]>([
    ['a text that is no expression', 'sum(', 'bad_data', '1:5: parse error: unclosed left parenthesis'],
    ['many-to-many matching', 'a + on() a', 'execution', /many-to-many matching not allowed/],
  ])('reports %s', async (_, expr, code, message) => {
    const reader = new MemorySeries({ 'a{b="1"}': rising(9), 'a{b="2"}': rising(9) })
    await expect(engineOver(reader).instant({ expr, timeMs: 80_000 }, never)).rejects.toEqual(withCode(code, message))
  })

  it.each<[string, Partial<{ startMs: number; endMs: number; stepMs: number }>, string]>([
    [
      'more than 11,000 steps',
      { endMs: 11_001_000 },
      'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    ],
    ['a step of 0', { stepMs: 0 }, 'zero or negative query resolution step widths are not accepted. Try a positive integer'],
    ['an end before the start', { endMs: -1 }, 'end timestamp must not be before start time'],
  ])('refuses %s', async (_, change, message) => {
    const query = { expr: 'vector(1)', startMs: 0, endMs: 1000, stepMs: 1000, ...change }
    await expect(engineOver(new MemorySeries()).range(query, never)).rejects.toEqual(withCode('bad_data', message))
  })

  it('accepts exactly 11,000 steps', async () => {
    const { result } = await engineOver(new MemorySeries()).range({ expr: 'vector(1)', startMs: 0, endMs: 11_000_000, stepMs: 1000 }, never)
    expect(result.timestamps.length).toBe(11_001)
  })

  it.each<[string, Partial<QueryLimits>, RegExp]>([
    ['series', { seriesMax: 3 }, /too many series/],
    ['samples', { samplesMax: 20 }, /query processing would load too many samples into memory in query execution/],
  ])('stops loading when it holds too many %s', async (_, limits, message) => {
    const reader = new MemorySeries({ 'a{b="1"}': rising(9), 'a{b="2"}': rising(9), 'a{b="3"}': rising(9), 'a{b="4"}': rising(9) })
    reader.batchSize = 1
    await expect(engineOver(reader, { limits }).instant({ expr: 'a', timeMs: 80_000 }, never)).rejects.toEqual(withCode('limit', message))
  })

  it('lets a query ask for less than the server allows, and never for more', async () => {
    const reader = new MemorySeries({ a: rising(9) })
    const engine = engineOver(reader, { limits: { samplesMax: 5 } })
    const ask = (samplesMax: number) => engine.instant({ expr: 'a', timeMs: 80_000, samplesMax }, never)
    await expect(ask(1_000_000)).rejects.toEqual(withCode('limit', /too many samples/))
    await expect(engineOver(reader).instant({ expr: 'a', timeMs: 80_000, samplesMax: 8 }, never)).rejects.toEqual(
      withCode('limit', /too many samples/),
    )
  })

  it('takes the lookback that the query asks for', async () => {
    const engine = engineOver(new MemorySeries({ a: [[0, 1]] }))
    const found = async (lookbackMs?: number) => {
      const { result } = await engine.instant({ expr: 'a', timeMs: 100_000, ...(lookbackMs && { lookbackMs }) }, never)
      return result.type === 'vector' && result.series.length
    }
    expect(await found()).toBe(1)
    expect(await found(60_000)).toBe(0)
  })
})

describe('the end of a query', () => {
  /** Yields nothing until its signal aborts. */
  const stuck: SeriesReader = {
    async *select(_matchers, _range, signal) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
      yield []
    },
  }

  it('is its time limit, while it loads', async () => {
    const clock = new VirtualClock()
    const engine = engineOver(stuck, { clock, limits: { timeoutMs: 5000 } })
    const outcome = expect(engine.instant({ expr: 'a', timeMs: 0 }, never)).rejects.toEqual(
      withCode('timeout', 'query timed out in query execution'),
    )
    await clock.advance(5000)
    await outcome
    expect(clock.sleeping).toBe(0)
  })

  it('is the shorter limit that the query asked for', async () => {
    const clock = new VirtualClock()
    const outcome = expect(engineOver(stuck, { clock }).instant({ expr: 'a', timeMs: 0, timeoutMs: 300 }, never)).rejects.toEqual(
      withCode('timeout', /timed out/),
    )
    await clock.advance(300)
    await outcome
  })

  it('is its client leaving', async () => {
    const client = new AbortController()
    const outcome = expect(engineOver(stuck).instant({ expr: 'a', timeMs: 0 }, client.signal)).rejects.toEqual(
      withCode('canceled', /canceled/),
    )
    client.abort()
    await outcome
  })

  it('comes while it evaluates, from another thread', async () => {
    const series = Array.from({ length: 500 }, (_, i) => [`a{i="${i}"}`, rising(100)] as const)
    const reader = new MemorySeries(Object.fromEntries(series))
    let asked = 0
    const query = { expr: 'sum_over_time(sum_over_time(a[5m])[1h:1s])', timeMs: 1_000_000 }
    const outcome = engineOver(reader).instant(query, never, () => ++asked > 10)
    await expect(outcome).rejects.toEqual(withCode('canceled', 'query was canceled in expression evaluation'))
  })

  it('leaves no sleeper behind', async () => {
    const clock = new VirtualClock()
    const engine = engineOver(new MemorySeries({ a: rising(3) }), { clock })
    await engine.instant({ expr: 'a', timeMs: 10_000 }, never)
    await expect(engine.instant({ expr: 'a + b{', timeMs: 10_000 }, never)).rejects.toEqual(withCode('bad_data', /parse error/))
    await clock.advance(0)
    expect(clock.sleeping).toBe(0)
  })

  it.each<[string, Error, QueryErrorCode]>([
    ['an engine that may recover', new EngineError('DISK', 'disk is slow', { retryable: true }), 'unavailable'],
    ['a corrupt block', new CorruptionError('block 7, page 3: checksum differs'), 'internal'],
    ['a fault of the program', new TypeError('x is not a function'), 'internal'],
  ])('is told by its cause: %s', async (_, cause, code) => {
    const broken: SeriesReader = {
      // biome-ignore lint/correctness/useYield: it fails before it has anything
      async *select() {
        throw cause
      },
    }
    await expect(engineOver(broken).instant({ expr: 'a', timeMs: 0 }, never)).rejects.toEqual(withCode(code, cause.message))
  })
})

describe('a position to wait for', () => {
  const at = (outcome: 'reached' | 'timeout' | 'unknown', waited: string[] = []): Freshness => ({
    pinned: () => ({ position: 'p1_0.9', ageMs: 7 }),
    waitFor: async (position) => {
      waited.push(position)
      return outcome
    },
  })
  const reader = new MemorySeries({ a: rising(3) })
  const query = { expr: 'a', timeMs: 10_000, minPosition: 'p1_0.8' }

  it('is waited for before anything is read', async () => {
    const waited: string[] = []
    const answer = await engineOver(reader, { freshness: at('reached', waited) }).instant(query, never)
    expect(waited).toEqual(['p1_0.8'])
    expect(answer).toMatchObject({ asOf: 'p1_0.9', ageMs: 7 })
  })

  it.each([
    ['timeout', 'position-timeout'],
    ['unknown', 'position-unknown'],
  ] as const)('ends the query when it gives %s', async (outcome, code) => {
    await expect(engineOver(reader, { freshness: at(outcome) }).instant(query, never)).rejects.toEqual(withCode(code, /p1_0\.8/))
    const labels = { selectors: [], range: null, limit: 10, minPosition: 'p1_0.8' }
    await expect(engineOver(reader, { freshness: at(outcome) }).labelNames(labels, never)).rejects.toEqual(withCode(code, /p1_0\.8/))
  })
})
