import { afterEach, describe, expect, it } from '@jest/globals'
import { QueryPool, type QueryPoolOptions } from '../../src/query/query-pool.ts'
import type { QueryErrorCode } from '../../src/query/query-service.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { registry } from '../../src/telemetry/metrics.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const never = new AbortController().signal
const withCode = (code: QueryErrorCode, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) })

const open: QueryPool[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((pool) => pool.close()))
})

/** A pool of real workers (see pool-entry.ts) on a clock that the test moves. */
function poolOf(workers: number, options: Partial<QueryPoolOptions> & { failuresAtStart?: number } = {}) {
  const { failuresAtStart = 0, ...rest } = options
  const clock = new VirtualClock()
  const begun = new Int32Array(new SharedArrayBuffer(4))
  const failuresLeft = new Int32Array(new SharedArrayBuffer(4)).fill(failuresAtStart)
  const pool = new QueryPool({
    entry: new URL('./pool-entry.ts', import.meta.url),
    workers,
    start: () => ({ workerData: { begun: begun.buffer, failuresLeft: failuresLeft.buffer } }),
    clock,
    logger: silentLogger,
    ...rest,
  })
  open.push(pool)
  const ask = (expr: string, signal = never, timeMs = 10_000) => pool.instant({ expr, timeMs }, signal)
  /** Resolves when so many of the test's slow queries have begun. */
  const untilBegun = async (count: number): Promise<void> => {
    for (let now = Atomics.load(begun, 0); now < count; now = Atomics.load(begun, 0)) await Atomics.waitAsync(begun, 0, now).value
  }
  return { pool, clock, ask, untilBegun }
}

describe('a pool of query workers', () => {
  it('answers on its workers what the engine answers', async () => {
    const { pool } = poolOf(2)
    const instant = await pool.instant({ expr: 'up * 2', timeMs: 2000 }, never)
    expect(instant).toMatchObject({ asOf: 'p1_0.5', ageMs: 3, stats: { samplesRead: 2 } })
    expect(instant.result.type === 'vector' && instant.result.series.map(({ labels, value }) => [labels.get('job'), value])).toEqual([
      ['a', 2],
      ['b', 4],
    ])
    const range = await pool.range({ expr: 'up or vector(7)', startMs: 0, endMs: 2000, stepMs: 1000 }, never)
    expect([...range.result.timestamps]).toEqual([0, 1000, 2000])
    expect(
      range.result.series.map(({ labels, values, present }) => [labels.toString(), [...values].filter((_, i) => present?.[i] !== 0)]),
    ).toEqual([
      ['{}', [7, 7, 7]],
      ['up{job="a"}', [1, 1]],
      ['up{job="b"}', [2, 2]],
    ])
    const matrix = await pool.instant({ expr: 'up[1m]', timeMs: 2000 }, never)
    expect(matrix.result.type === 'matrix' && matrix.result.series.map(({ times, values }) => [[...times], [...values]])).toEqual([
      [[1000], [1]],
      [[1000], [2]],
    ])
    expect((await pool.instant({ expr: '1 + 1', timeMs: 2000 }, never)).result).toEqual({ type: 'scalar', timeMs: 2000, value: 2 })
  })

  it('answers JSON, series, label names and values', async () => {
    const { pool } = poolOf(1)
    const format = { limit: 1, stats: '' } as const
    expect(JSON.parse(Buffer.from(await pool.instantJson({ expr: 'up', timeMs: 2000 }, format, never)).toString())).toEqual({
      status: 'success',
      data: { resultType: 'vector', result: [{ metric: { __name__: 'up', job: 'a' }, value: [2, '1'] }] },
      warnings: ['results truncated due to limit'],
    })
    const range = { expr: 'up{job="b"}', startMs: 1000, endMs: 2000, stepMs: 1000 }
    expect(JSON.parse(Buffer.from(await pool.rangeJson(range, format, never)).toString())).toMatchObject({
      data: {
        resultType: 'matrix',
        result: [
          {
            values: [
              [1, '2'],
              [2, '2'],
            ],
          },
        ],
      },
    })
    const query = { selectors: [pool.parseSelector('up')], range: null, limit: 10 }
    expect((await pool.series(query, never)).map(String)).toEqual(['up{job="a"}', 'up{job="b"}'])
    expect(await pool.labelNames(query, never)).toEqual(['__name__', 'job'])
    expect(await pool.labelValues('job', query, never)).toEqual(['a', 'b'])
  })

  it('keeps the code and the text of an error', async () => {
    const { pool, ask } = poolOf(1)
    await expect(ask('up +')).rejects.toEqual(withCode('bad_data', /^1:5: parse error: unexpected end of input$/))
    await expect(ask('up * on() up')).rejects.toEqual(withCode('execution', /many-to-many/))
    expect(() => pool.parseSelector('up[5m]')).toThrow('1:3: parse error')
    expect(() => pool.check('rate(up)')).toThrow('expected type range vector')
    expect(pool.check('rate(up[5m])')).toBeUndefined()
  })

  it('cancels a query that waits in a worker, one that waits for a worker, and goes on', async () => {
    const { ask, untilBegun } = poolOf(1)
    const first = new AbortController()
    const second = new AbortController()
    const running = expect(ask('waits', first.signal)).rejects.toEqual(withCode('canceled', /canceled in query execution/))
    await untilBegun(1)
    const queued = expect(ask('up', second.signal)).rejects.toEqual(withCode('canceled', /canceled in query queue/))
    second.abort()
    await queued
    first.abort()
    await running
    expect((await ask('up')).stats.samplesRead).toBe(2)
  })

  it('cancels a query that computes, by the flag in shared memory', async () => {
    const { ask, untilBegun } = poolOf(1)
    const client = new AbortController()
    // Minutes of work if nothing stops it; the clock of this pool never moves, so nothing else does.
    const heavy = expect(ask('sum_over_time(sum_over_time(many[15m])[90d:1s])', client.signal)).rejects.toEqual(
      withCode('canceled', /canceled/),
    )
    await untilBegun(1)
    client.abort()
    await heavy
    expect((await ask('up')).stats.samplesRead).toBe(2)
  })

  it('ends and replaces a worker that runs over its time limit and grace', async () => {
    const { ask, clock, untilBegun } = poolOf(1, { timeoutMs: 60_000, graceMs: 2000 })
    const stuck = ask('stuck')
    const outcome = expect(stuck).rejects.toEqual(withCode('timeout', /query timed out in expression evaluation/))
    await untilBegun(1)
    await clock.advance(61_000)
    await expect(Promise.race([stuck, Promise.resolve('runs')])).resolves.toBe('runs')
    await clock.advance(1000)
    await outcome
    expect((await ask('up')).stats.samplesRead).toBe(2)
  })

  it('ends and replaces a worker that does not heed a cancellation', async () => {
    const { ask, clock, untilBegun } = poolOf(1, { graceMs: 2000 })
    const client = new AbortController()
    const stuck = expect(ask('stuck', client.signal)).rejects.toEqual(withCode('canceled', /canceled/))
    await untilBegun(1)
    client.abort()
    await stuck
    const next = ask('up')
    await clock.advance(2000)
    expect((await next).stats.samplesRead).toBe(2)
  })

  it.each(['crash', 'throws'])('replaces a worker that crashes (%s), and its query answers internal', async (metric) => {
    const { ask } = poolOf(1)
    await expect(ask(metric)).rejects.toEqual(
      withCode('internal', /a query worker (ended with code 7|failed: thrown where nobody catches)/),
    )
    expect((await ask('up')).stats.samplesRead).toBe(2)
  })

  it('tries again at growing intervals when workers fail to start', async () => {
    const { ask, clock } = poolOf(1, { failuresAtStart: 3 })
    const answer = ask('up')
    await clock.untilSleeping(2)
    await clock.advance(200)
    await clock.untilSleeping(2)
    await clock.advance(400)
    expect((await answer).stats.samplesRead).toBe(2)
  })

  it('refuses what is too much for its queue, and times out what waits too long in it', async () => {
    const { ask, clock, untilBegun, pool } = poolOf(1, { queueMax: 1, timeoutMs: 60_000 })
    const client = new AbortController()
    const running = expect(ask('waits', client.signal)).rejects.toEqual(withCode('canceled', /canceled/))
    await untilBegun(1)
    const queued = pool.instant({ expr: 'up', timeMs: 2000, timeoutMs: 500 }, never)
    const outcome = expect(queued).rejects.toEqual(withCode('timeout', /query timed out in query queue/))
    await expect(ask('up')).rejects.toEqual(withCode('unavailable', /1 queries are waiting already; at most 1 may/))
    await clock.advance(500)
    await outcome
    client.abort()
    await running
  })

  it('runs as many queries at once as it has workers', async () => {
    const { ask, untilBegun } = poolOf(2)
    const clients = [new AbortController(), new AbortController()]
    const waiting = clients.map((client) => expect(ask('waits', client.signal)).rejects.toEqual(withCode('canceled', /canceled/)))
    await untilBegun(2)
    for (const client of clients) client.abort()
    await Promise.all(waiting)
  })

  it('waits for a position before it takes a worker', async () => {
    const { promise: applied, resolve: apply } = Promise.withResolvers<'reached' | 'unknown'>()
    const { pool, ask } = poolOf(1, {
      freshness: { waitFor: (position) => (position === 'p1_0.9' ? applied : Promise.resolve('unknown')) },
    })
    const later = pool.instant({ expr: 'up', timeMs: 2000, minPosition: 'p1_0.9' }, never)
    expect((await ask('up')).stats.samplesRead).toBe(2)
    apply('reached')
    expect((await later).stats.samplesRead).toBe(2)
    const unknown = pool.labelNames({ selectors: [], range: null, limit: 1, minPosition: 'p9' }, never)
    await expect(unknown).rejects.toEqual(withCode('position-unknown', /"p9" is no position/))
  })

  it('answers unavailable to what runs and waits when it closes', async () => {
    const { pool, ask, untilBegun } = poolOf(1)
    const outcomes = [ask('waits'), ask('up')].map((query) => expect(query).rejects.toEqual(withCode('unavailable', /shutting down/)))
    await untilBegun(1)
    await pool.close()
    await Promise.all(outcomes)
    await expect(ask('up')).rejects.toEqual(withCode('unavailable', /shutting down/))
  })

  it('counts what it answers', async () => {
    registry.resetMetrics()
    const { ask } = poolOf(1)
    await ask('up')
    await expect(ask('up{')).rejects.toThrow()
    const metrics = await registry.metrics()
    expect(metrics).toContain('tidemark_query_requests_total{kind="instant",result="ok"} 1')
    expect(metrics).toContain('tidemark_query_requests_total{kind="instant",result="bad_data"} 1')
    expect(metrics).toContain('tidemark_query_samples_read_total 2')
    expect(metrics).toContain('tidemark_query_queue_length 0')
  })
})
