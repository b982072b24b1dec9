import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { EngineError } from '../../src/domain/errors.ts'
import { QueryError, type QueryErrorCode } from '../../src/query/query-service.ts'
import { fakeDeps, labels, position } from './fakes.ts'
import { TestServer } from './server.ts'

const deps = fakeDeps()
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start(deps)
})
afterAll(() => server.close())
beforeEach(() => {
  deps.queries.error = null
  deps.queries.warnings = []
  deps.queries.series_ = []
  deps.queries.instants.length = 0
  deps.queries.ranges.length = 0
})

const node = (name: string, cpu: string) => labels({ __name__: name, cpu, job: 'node' })

describe('rangeQuery', () => {
  it('answers with one column of times and a column of values for each series', async () => {
    deps.queries.rangeResult = {
      type: 'range',
      timestamps: Float64Array.of(1000, 2000, 3000, 4000, 5000),
      series: [
        { labels: node('up', '0'), values: Float64Array.of(1, Number.NaN, Infinity, -Infinity, 0.1), present: null },
        { labels: labels({ job: 'x' }), values: Float64Array.of(1, 2, 3, 4, 5), present: Uint8Array.of(1, 0, 1, 0, 1) },
      ],
    }
    deps.queries.warnings = ['something is missing']
    const answer = await server.query(
      `query ($minPosition: Position) {
        rangeQuery(query: "up", start: 1000, end: 5000, step: 1000, minPosition: $minPosition, timeoutMs: 500, lookbackMs: 60000) {
          timestamps
          series { labels { name value } label(name: "cpu") text metric { name } values }
          seriesTotal asOf ageMs warnings infos
          stats { seriesMatched samplesRead headSamples blocksRead bytesRead loadMs evaluateMs }
        }
      }`,
      { minPosition: position },
    )
    expect(answer.errors).toEqual([])
    expect(answer.data.rangeQuery).toEqual({
      timestamps: [1000, 2000, 3000, 4000, 5000],
      series: [
        {
          labels: [
            { name: '__name__', value: 'up' },
            { name: 'cpu', value: '0' },
            { name: 'job', value: 'node' },
          ],
          label: '0',
          text: 'up{cpu="0", job="node"}',
          metric: { name: 'up' },
          values: [1, 'NaN', '+Inf', '-Inf', 0.1],
        },
        { labels: [{ name: 'job', value: 'x' }], label: '', text: '{job="x"}', metric: null, values: [1, null, 3, null, 5] },
      ],
      seriesTotal: 2,
      asOf: position,
      ageMs: 12.5,
      warnings: ['something is missing'],
      infos: [],
      stats: { seriesMatched: 1, samplesRead: 2 ** 40, headSamples: 3, blocksRead: 4, bytesRead: 5, loadMs: 0.5, evaluateMs: 0.25 },
    })
    expect(deps.queries.ranges).toEqual([
      { expr: 'up', startMs: 1000, endMs: 5000, stepMs: 1000, minPosition: position, timeoutMs: 500, lookbackMs: 60000 },
    ])
  })

  it('cuts to `limit` and says so', async () => {
    deps.queries.rangeResult = {
      type: 'range',
      timestamps: Float64Array.of(1),
      series: ['0', '1', '2'].map((cpu) => ({ labels: node('up', cpu), values: Float64Array.of(1), present: null })),
    }
    const { data } = await server.query(
      '{ rangeQuery(query: "up", start: 1, end: 1, step: 1, limit: 2) { series { text } seriesTotal warnings } }',
    )
    expect(data.rangeQuery.series).toHaveLength(2)
    expect(data.rangeQuery.seriesTotal).toBe(3)
    expect(data.rangeQuery.warnings).toEqual(['the answer holds 2 of 3 series: `limit` cut it'])
  })

  it('shares one bound on points between the fields of an operation', async () => {
    const timestamps = Float64Array.from({ length: 11_000 }, (_, i) => i)
    const values = new Float64Array(11_000)
    deps.queries.rangeResult = {
      type: 'range',
      timestamps,
      series: Array.from({ length: 60 }, (_, i) => ({ labels: node('up', String(i)), values, present: null })),
    }
    const one = 'rangeQuery(query: "up", start: 1, end: 11000, step: 1) { seriesTotal }'
    expect((await server.query(`{ ${one} }`)).errors).toEqual([])
    const { errors } = await server.query(`{ a: ${one} b: ${one} }`)
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['QUERY_LIMIT'])
  })
})

describe('instantQuery', () => {
  const document = `query ($query: String!, $time: Timestamp) { instantQuery(query: $query, time: $time) {
    seriesTotal
    result {
      __typename
      ... on VectorResult { time series { text value } }
      ... on ScalarResult { time value }
      ... on StringResult { time text: value }
      ... on MatrixResult { series { text timestamps values } }
    } } }`

  it('tells each type of result apart', async () => {
    const ask = async () => (await server.query(document, { query: 'q', time: 5 })).data.instantQuery
    deps.queries.instantResult = { type: 'vector', timeMs: 5, series: [{ labels: node('up', '0'), value: Number.NaN }] }
    expect(await ask()).toEqual({
      seriesTotal: 1,
      result: { __typename: 'VectorResult', time: 5, series: [{ text: 'up{cpu="0", job="node"}', value: 'NaN' }] },
    })
    deps.queries.instantResult = { type: 'scalar', timeMs: 5, value: 1.5 }
    expect(await ask()).toEqual({ seriesTotal: 0, result: { __typename: 'ScalarResult', time: 5, value: 1.5 } })
    deps.queries.instantResult = { type: 'string', timeMs: 5, value: 'a' }
    expect(await ask()).toEqual({ seriesTotal: 0, result: { __typename: 'StringResult', time: 5, text: 'a' } })
    deps.queries.instantResult = {
      type: 'matrix',
      series: [{ labels: node('up', '0'), times: Float64Array.of(1, 2), values: Float64Array.of(3, -Infinity) }],
    }
    expect(await ask()).toEqual({
      seriesTotal: 1,
      result: { __typename: 'MatrixResult', series: [{ text: 'up{cpu="0", job="node"}', timestamps: [1, 2], values: [3, '-Inf'] }] },
    })
  })

  it('takes now for the time that is left out', async () => {
    await server.query(document, { query: 'up' })
    expect(deps.queries.instants).toEqual([{ expr: 'up', timeMs: deps.clock.nowMs() }])
  })
})

describe('connections', () => {
  beforeEach(() => {
    deps.queries.series_ = ['b', 'd', 'a', 'c'].flatMap((name) => [node(name, '0'), node(name, '1')])
  })

  const metrics =
    'query ($after: String) { metrics(first: 2, after: $after) { nodes { name } edges { cursor node { name } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }'

  it('pages through metrics in order, and stays in place while metrics come and go', async () => {
    const one = (await server.query(metrics)).data.metrics
    expect(one.nodes).toEqual([{ name: 'a' }, { name: 'b' }])
    expect(one.pageInfo).toEqual({
      hasNextPage: true,
      hasPreviousPage: false,
      startCursor: one.edges[0].cursor,
      endCursor: one.edges[1].cursor,
    })
    deps.queries.series_ = ['aa', 'd', 'a', 'c', 'e'].map((name) => node(name, '0'))
    const two = (await server.query(metrics, { after: one.pageInfo.endCursor })).data.metrics
    expect(two.nodes).toEqual([{ name: 'c' }, { name: 'd' }])
    expect(two.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: true })
    const three = (await server.query(metrics, { after: two.pageInfo.endCursor })).data.metrics
    expect(three.nodes).toEqual([{ name: 'e' }])
    expect(three.pageInfo.hasNextPage).toBe(false)
  })

  it('pages through series by their labels', async () => {
    const document = 'query ($after: String) { series(first: 3, after: $after) { nodes { id text } pageInfo { hasNextPage endCursor } } }'
    const seen: string[] = []
    const ids = new Set<string>()
    for (let after: string | null = null, more = true; more; ) {
      const series = (await server.query(document, { after })).data.series as {
        nodes: { id: string; text: string }[]
        pageInfo: { hasNextPage: boolean; endCursor: string }
      }
      for (const { id, text } of series.nodes) {
        seen.push(text)
        ids.add(id)
      }
      after = series.pageInfo.endCursor
      more = series.pageInfo.hasNextPage
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd'].flatMap((name) => ['0', '1'].map((cpu) => `${name}{cpu="${cpu}", job="node"}`)))
    expect(ids.size).toBe(8)
  })

  it('reads no more of a long list than a page needs', async () => {
    const all = Array.from({ length: 9_000 }, (_, i) => node('up', String(100_000 + i)))
    deps.queries.series_ = all
    deps.queries.listLimits.length = 0
    const document =
      'query ($after: String) { series(first: 1000, after: $after) { nodes { label(name: "cpu") } pageInfo { hasNextPage endCursor } } }'
    const seen: string[] = []
    for (let after: string | null = null, more = true; more; ) {
      const series = (await server.query(document, { after })).data.series as {
        nodes: { label: string }[]
        pageInfo: { hasNextPage: boolean; endCursor: string }
      }
      seen.push(...series.nodes.map(({ label }) => label))
      after = series.pageInfo.endCursor
      more = series.pageInfo.hasNextPage
    }
    expect(seen).toEqual(all.map((labels) => labels.get('cpu')))
    expect(deps.queries.listLimits.slice(0, 4)).toEqual([1_001, 4_096, 4_096, 4_096])
    expect(Math.max(...deps.queries.listLimits)).toBe(8 * 4_096)
  })

  it('searches names of metrics, labels and values', async () => {
    deps.queries.series_ = [node('node_cpu', '0'), node('node_memory', '1'), node('up', '2')]
    const { data } = await server.query(`{
      metrics(search: "NODE") { nodes { name } }
      labelNames(search: "o") { nodes }
      labelValues(label: "cpu", first: 1) { nodes pageInfo { hasNextPage } }
    }`)
    expect(data).toEqual({
      metrics: { nodes: [{ name: 'node_cpu' }, { name: 'node_memory' }] },
      labelNames: { nodes: ['job'] },
      labelValues: { nodes: ['0'], pageInfo: { hasNextPage: true } },
    })
  })

  it('refuses a page size out of bounds, a cursor of something else, a bad selector', async () => {
    for (const args of ['first: 0', 'first: 1001', 'after: "x"', 'after: "aWZ6"', 'match: ["{"]', 'from: 5, to: 5']) {
      const { errors } = await server.query(`{ series(${args}) { nodes { text } } }`)
      expect([args, errors.map(({ extensions }) => extensions.code)]).toEqual([args, ['BAD_USER_INPUT']])
    }
  })

  it('asks for the metadata of a page of metrics once', async () => {
    deps.metadata.entries = [
      { metric: 'a', type: 'counter', help: 'An a.', unit: 'seconds' },
      { metric: 'b', type: 'histogram', help: 'A b.', unit: '' },
    ]
    deps.queries.series_ = ['a', 'b_bucket', ...Array.from({ length: 50 }, (_, i) => `m${i}`)].map((name) => node(name, '0'))
    deps.metadata.calls = 0
    const { data } = await server.query('{ metrics { nodes { name type help unit } } }')
    expect(data.metrics.nodes.slice(0, 3)).toEqual([
      { name: 'a', type: 'COUNTER', help: 'An a.', unit: 'seconds' },
      { name: 'b_bucket', type: 'HISTOGRAM', help: 'A b.', unit: '' },
      { name: 'm0', type: 'UNKNOWN', help: '', unit: '' },
    ])
    // Once for the names, once for the family of the one that is a part of a histogram.
    expect(deps.metadata.calls).toBe(2)
  })
})

describe('server', () => {
  it('tells version, freshness, and depth and lag by topic and partition', async () => {
    deps.lag.entries = [
      {
        topic: 'tidemark.samples',
        partition: 1,
        startOffset: 0,
        endOffset: 10,
        appliedOffset: 8,
        lagRecords: 2,
        depthRecords: 10,
        bytes: 99,
      },
      {
        topic: 'tidemark.samples',
        partition: 0,
        startOffset: 5,
        endOffset: 2 ** 33,
        appliedOffset: 2 ** 33,
        lagRecords: 0,
        depthRecords: 2 ** 33 - 5,
      },
      { topic: 'tidemark.alerting', partition: 0, startOffset: 0, endOffset: 0, appliedOffset: 0, lagRecords: 0, depthRecords: 0 },
    ]
    const { data } = await server.query(`{
      server { version roles startedAt now freshness { asOf ageMs }
        topics { name depthRecords lagRecords partitions { partition startOffset endOffset appliedOffset depthRecords lagRecords bytes } } }
      freshness { asOf ageMs }
      targets { nodes { scrapeUrl } }
    }`)
    expect(data.freshness).toEqual({ asOf: position, ageMs: 12.5 })
    expect(data.targets.nodes).toEqual([])
    expect(data.server).toMatchObject({
      version: '0.1.0',
      roles: ['INGEST', 'QUERY'],
      now: deps.clock.nowMs(),
      freshness: { asOf: position },
    })
    expect(
      data.server.topics.map(({ name, lagRecords, depthRecords }: Record<string, unknown>) => [name, lagRecords, depthRecords]),
    ).toEqual([
      ['tidemark.alerting', 0, 0],
      ['tidemark.samples', 2, 2 ** 33 + 5],
    ])
    expect(data.server.topics[1].partitions.map(({ partition, bytes }: Record<string, unknown>) => [partition, bytes])).toEqual([
      [0, null],
      [1, 99],
    ])
    // Two fields, one look.
    expect(deps.queries.instants).toHaveLength(1)
  })

  it('tells targets, page by page', async () => {
    const target = (scrapeUrl: string, health: 'up' | 'down') => ({
      scrapePool: 'node',
      scrapeUrl,
      discoveredLabels: labels({ __address__: 'a' }),
      labels: labels({ job: 'node' }),
      health,
      lastError: health === 'up' ? '' : 'refused',
      lastScrapeMs: 5,
      lastScrapeDurationSeconds: 0.25,
      scrapeIntervalMs: 10_000,
      scrapeTimeoutMs: 5_000,
    })
    deps.targets = { targets: () => [target('http://b', 'down'), target('http://a', 'up')], dropped: () => [] }
    const own = await TestServer.start(deps)
    try {
      const document =
        'query ($after: String) { targets(first: 1, after: $after) { nodes { scrapeUrl health lastError lastScrape lastScrapeDurationMs labels { value } } pageInfo { endCursor } } }'
      const one = (await own.query(document)).data.targets
      expect(one.nodes).toEqual([
        { scrapeUrl: 'http://a', health: 'UP', lastError: '', lastScrape: 5, lastScrapeDurationMs: 250, labels: [{ value: 'node' }] },
      ])
      const two = (await own.query(document, { after: one.pageInfo.endCursor })).data.targets
      expect(two.nodes).toMatchObject([{ scrapeUrl: 'http://b', health: 'DOWN', lastError: 'refused' }])
      expect((await own.query('{ targets(health: DOWN) { nodes { scrapeUrl } } }')).data.targets.nodes).toEqual([{ scrapeUrl: 'http://b' }])
    } finally {
      await own.close()
    }
  })
})

describe('errors', () => {
  const document = '{ instantQuery(query: "up") { seriesTotal } }'

  it('give each failure of a query its code, with the field still named', async () => {
    const codes: [QueryErrorCode, string][] = [
      ['bad_data', 'BAD_USER_INPUT'],
      ['execution', 'QUERY_FAILED'],
      ['timeout', 'QUERY_TIMEOUT'],
      ['limit', 'QUERY_LIMIT'],
      ['position-timeout', 'POSITION_TIMEOUT'],
      ['position-unknown', 'POSITION_UNKNOWN'],
      ['unavailable', 'UNAVAILABLE'],
    ]
    for (const [from, code] of codes) {
      deps.queries.error = new QueryError(from, `the message of ${from}`)
      const { status, errors } = await server.query(document)
      expect(status).toBe(200)
      expect(errors).toEqual([
        { message: `the message of ${from}`, path: ['instantQuery'], locations: [{ line: 1, column: 3 }], extensions: { code } },
      ])
    }
  })

  it('of one field leave the others their answers', async () => {
    const { data, errors } = await server.query('{ good: labelNames { nodes } bad: labelNames(first: 0) { nodes } }')
    expect(data).toEqual({ good: { nodes: [] }, bad: null })
    expect(errors.map(({ path }) => path)).toEqual([['bad']])
  })

  it('mask what is not meant for callers, and name the line of the log that has it', async () => {
    const lines: unknown[] = []
    const log = { ...deps.log, error: (line: unknown) => lines.push(line), warn: (line: unknown) => lines.push(line) }
    const own = await TestServer.start({ ...deps, log: log as unknown as typeof deps.log })
    try {
      const failures: [Error, string][] = [
        [new TypeError('secret'), 'INTERNAL'],
        [new QueryError('internal', 'secret'), 'INTERNAL'],
        [new EngineError('CORRUPT', 'secret', { retryable: false }), 'INTERNAL'],
        [new EngineError('DISK_FULL', 'secret', { retryable: true }), 'UNAVAILABLE'],
      ]
      for (const [error, code] of failures) {
        lines.length = 0
        deps.queries.error = error
        const { errors } = await own.query(document)
        expect(errors.map(({ extensions }) => extensions.code)).toEqual([code])
        expect(JSON.stringify(errors)).not.toContain('secret')
        expect(errors[0]?.message).toContain(errors[0]?.extensions.id)
        expect(lines).toMatchObject([{ id: errors[0]?.extensions.id, err: error }])
      }
    } finally {
      await own.close()
    }
  })

  it('blame a wrong variable on its sender', async () => {
    const { errors } = await server.query('query ($time: Timestamp) { instantQuery(query: "up", time: $time) { seriesTotal } }', {
      time: 1.5,
    })
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT'])
    expect(errors[0]?.message).toContain('an integer of milliseconds since the Unix epoch')
  })
})
