import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { NOW_S, TestServer } from './test-server.ts'

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(() => server.close())

const Q = '/api/v1/query'
const R = '/api/v1/query_range'
const range = (changes: Record<string, string> = {}) =>
  new URLSearchParams({ query: 'up', start: String(NOW_S - 60), end: String(NOW_S), step: '30', ...changes }).toString()

async function ask(path: string, init?: RequestInit) {
  const response = await server.fetch(path, init)
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: text.startsWith('{') ? JSON.parse(text) : null }
}

const vector = (...values: [metric: object, value: string][]) => ({
  resultType: 'vector',
  result: values.map(([metric, value]) => ({ metric, value: [NOW_S, value] })),
})

describe('answers', () => {
  const sum = vector([{}, '1'])
  const cases: [name: string, path: string, data: unknown, rest?: object][] = [
    ['at now without a time', `${Q}?query=sum(up)`, sum],
    ['at a unix time', `${Q}?query=sum(up)&time=${NOW_S}`, sum],
    ['at a unix time with a fraction', `${Q}?query=time()&time=1.25`, { resultType: 'scalar', result: [1.25, '1.25'] }],
    ['at a time with an exponent', `${Q}?query=time()&time=1.7e9`, { resultType: 'scalar', result: [NOW_S, '1700000000'] }],
    ['at a time with underscores', `${Q}?query=time()&time=1_700_000_000`, { resultType: 'scalar', result: [NOW_S, '1700000000'] }],
    ['at an RFC 3339 time with a zone', `${Q}?query=sum(up)&time=2023-11-15T03:43:20%2B05:30`, sum],
    ['with a lookback of its own', `${Q}?query=up&time=${NOW_S + 60}&lookback_delta=30s`, vector()],
    ['with a lookback in seconds', `${Q}?query=up&time=${NOW_S + 60}&lookback_delta=30`, vector()],
    ['with a timeout in seconds', `${Q}?query=sum(up)&timeout=30`, sum],
    ['with unknown parameters', `${Q}?query=sum(up)&dedup=true`, sum],
    [
      'cut at a limit',
      `${Q}?query=up&limit=1`,
      vector([{ __name__: 'up', instance: 'x:1', job: 'a' }, '1']),
      { warnings: ['results truncated due to limit'] },
    ],
    ['label names', '/api/v1/labels', ['__name__', 'instance', 'job', 'p.q']],
    ['label names, cut', '/api/v1/labels?limit=2', ['__name__', 'instance'], { warnings: ['results truncated due to limit'] }],
    ['label names of several selectors', '/api/v1/labels?match[]=up&match[]=http_requests', ['__name__', 'instance', 'job', 'p.q']],
    ['label names in a window', `/api/v1/labels?start=${NOW_S + 1}`, []],
    ['a window that takes in its start', `/api/v1/label/job/values?start=${NOW_S}`, ['a', 'b']],
    [
      "a client library's beginning and end",
      '/api/v1/label/job/values?start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z',
      ['a', 'b'],
    ],
    ['label values', '/api/v1/label/job/values', ['a', 'b']],
    ['label values of an escaped name', '/api/v1/label/U__p_2e_q/values', ['/']],
    ['label values of a name that only looks escaped', '/api/v1/label/U___fffff_/values', []],
    ['label values of a percent-encoded name', '/api/v1/label/p%2Eq/values', ['/']],
    ['series', '/api/v1/series?match[]=http_requests', [{ __name__: 'http_requests', job: 'a', 'p.q': '/' }]],
    ['metadata', '/api/v1/metadata', { up: [{ type: 'gauge', help: 'Whether it is.', unit: '' }] }],
    ['no rules', '/api/v1/rules?type=alert', { groups: [] }],
    ['no exemplars', `/api/v1/query_exemplars?query=up`, []],
    ['a formatted query', '/api/v1/format_query?query=sum(up)by(job)', 'sum by (job) (up)'],
  ]
  it.each(cases)('%s', async (_, path, data, rest = {}) => {
    expect((await ask(path)).json).toEqual({ status: 'success', data, ...rest })
  })

  it('a range on its grid, by GET, by POST, and by POST with parameters in the URL', async () => {
    const form = { method: 'POST', body: new URLSearchParams(range()) }
    const answers = [await ask(`${R}?${range()}`), await ask(R, form), await ask(`${R}?${range()}`, { method: 'POST' })]
    for (const { json } of answers) {
      expect(json.data.result.map(({ values }: { values: unknown[] }) => values)).toEqual([
        [NOW_S - 60, NOW_S - 30, NOW_S].map((time) => [time, '1']),
        [NOW_S - 60, NOW_S - 30, NOW_S].map((time) => [time, '0']),
      ])
    }
  })

  it.each([
    ['a duration', '1m30s', 600, 7],
    ['a float', '30.5', 600, 20],
    ['one of eleven thousand and a half', '1', 11_000.5, 11_001],
  ])('a step as %s', async (_, step, seconds, points) => {
    const { json } = await ask(`${R}?${range({ query: 'vector(1)', start: String(NOW_S - seconds), step })}`)
    expect(json.data.result[0].values).toHaveLength(points)
  })

  it('a tree of an expression', async () => {
    expect((await ask(`/api/v1/parse_query?query=${encodeURIComponent('sum by (a) (up{b!="c"}) > bool 2')}`)).json.data).toMatchObject({
      type: 'binaryExpr',
      op: '>',
      bool: true,
      matching: null,
      lhs: {
        type: 'aggregation',
        grouping: ['a'],
        expr: {
          name: 'up',
          matchers: [
            { name: 'b', type: '!=', value: 'c' },
            { name: '__name__', type: '=', value: 'up' },
          ],
        },
      },
      rhs: { type: 'numberLiteral', val: '2' },
    })
  })

  it('what its series are made of', async () => {
    expect((await ask('/api/v1/status/tsdb?limit=1')).json.data).toEqual({
      headStats: { numSeries: 3, numLabelPairs: 7, chunkCount: 0, minTime: 0, maxTime: 0 },
      seriesCountByMetricName: [{ name: 'up', value: 2 }],
      labelValueCountByLabelName: [{ name: '__name__', value: 2 }],
      memoryInBytesByLabelName: [{ name: '__name__', value: 15 }],
      seriesCountByLabelValuePair: [{ name: '__name__=up', value: 2 }],
    })
  })

  it('only what holds a position, when one is asked for', async () => {
    const at = (position: string) => ask(`${Q}?query=sum(up)`, { headers: { 'x-tidemark-min-position': position } })
    expect((await at('p0_0.7')).status).toBe(200)
    expect(await at('p9_0.7')).toMatchObject({ status: 400, json: { errorType: 'bad_data' } })
  })
})

describe('refuses', () => {
  const named = (parameter: string, error: string) => `invalid parameter "${parameter}": ${error}`
  const cases: [name: string, path: string, status: number, type: string, error: string | RegExp][] = [
    [
      'a time that is none',
      `${Q}?query=up&time=x`,
      400,
      'bad_data',
      named('time', `invalid time value for 'time': cannot parse "x" to a valid timestamp`),
    ],
    ['a date that is none', `${Q}?query=up&time=2024-02-30T00:00:00Z`, 400, 'bad_data', /valid timestamp/],
    ['a time beyond every number', `${Q}?query=up&time=1e999`, 400, 'bad_data', /valid timestamp/],
    ['a blank before a time', `${Q}?query=up&time=%201`, 400, 'bad_data', /valid timestamp/],
    ['no query', Q, 400, 'bad_data', /^invalid parameter "query": .*no expression found in input/],
    ['a query that ends early', `${Q}?query=sum(up`, 400, 'bad_data', /^invalid parameter "query": 1:7: parse error/],
    ['what can not be evaluated', `${Q}?query=up/on()up`, 422, 'execution', /many-to-many|found duplicate/],
    ['a timeout that is none', `${Q}?query=up&timeout=soon`, 400, 'bad_data', named('timeout', 'cannot parse "soon" to a valid duration')],
    ['a timeout of nothing', `${Q}?query=up&timeout=0`, 400, 'bad_data', named('timeout', 'timeout must be positive, got 0s')],
    [
      'a lookback that is none',
      `${Q}?query=up&lookback_delta=x`,
      400,
      'bad_data',
      'error parsing lookback delta duration: cannot parse "x" to a valid duration',
    ],
    ['a lookback below nothing', `${Q}?query=up&lookback_delta=-5m`, 400, 'bad_data', /valid duration/],
    ['a limit that is none', `${Q}?query=up&limit=many`, 400, 'bad_data', named('limit', 'strconv.Atoi: parsing "many": invalid syntax')],
    ['a limit below nothing', `${Q}?query=up&limit=-1`, 400, 'bad_data', named('limit', 'limit must be non-negative')],
    ['a limit beyond every number', `${Q}?query=up&limit=99999999999999999999`, 400, 'bad_data', /value out of range$/],
    ['no start', `${R}?${range({ start: '' })}`, 400, 'bad_data', named('start', 'cannot parse "" to a valid timestamp')],
    [
      'an end before the start',
      `${R}?${range({ end: '1' })}`,
      400,
      'bad_data',
      named('end', 'end timestamp must not be before start time'),
    ],
    ['no step', `${R}?${range({ step: '' })}`, 400, 'bad_data', named('step', 'cannot parse "" to a valid duration')],
    ['a step of nothing', `${R}?${range({ step: '0' })}`, 400, 'bad_data', /"step": zero or negative query resolution step widths/],
    ['a step below nothing', `${R}?${range({ step: '-10' })}`, 400, 'bad_data', /"step": zero or negative query resolution step widths/],
    ['a step beyond every number', `${R}?${range({ step: '1e300' })}`, 400, 'bad_data', /It overflows int64$/],
    [
      'too many points',
      `${R}?${range({ start: String(NOW_S - 11_001), step: '1' })}`,
      400,
      'bad_data',
      /^exceeded maximum resolution of 11,000 points/,
    ],
    ['a range of ranges', `${R}?${range({ query: 'up[5m]' })}`, 400, 'bad_data', /invalid expression type "range vector" for range query/],
    ['series of nothing', '/api/v1/series', 400, 'bad_data', 'no match[] parameter provided'],
    ['series of no selector', '/api/v1/series?match[]=sum(up)', 400, 'bad_data', /^invalid parameter "match\[\]": /],
    ['labels of everything by name', '/api/v1/labels?match[]={}', 400, 'bad_data', /at least one non-empty matcher/],
    ['labels of a broken selector', '/api/v1/labels?match[]=a{', 400, 'bad_data', /^1:3: parse error/],
    [
      'exemplars from after their end',
      '/api/v1/query_exemplars?query=up&start=2&end=1',
      400,
      'bad_data',
      'end timestamp must not be before start timestamp',
    ],
    ['a kind of rules that is none', '/api/v1/rules?type=x', 400, 'bad_data', /"type"/],
    ['a tree of nothing', '/api/v1/parse_query?query=(', 400, 'bad_data', /^invalid parameter "query": 1:2: parse error/],
    ['the top none', '/api/v1/status/tsdb?limit=0', 400, 'bad_data', 'limit must be a positive number'],
  ]
  it.each(cases)('%s', async (_, path, status, errorType, error) => {
    const answer = await ask(path)
    expect(answer).toMatchObject({ status, json: { status: 'error', errorType } })
    if (typeof error === 'string') expect(answer.json.error).toBe(error)
    else expect(answer.json.error).toMatch(error)
  })

  it.each([
    ['PUT', Q, 405, 'GET, POST, OPTIONS'],
    ['DELETE', '/api/v1/labels', 405, 'GET, POST, OPTIONS'],
    ['POST', '/api/v1/label/job/values', 405, 'GET, OPTIONS'],
    ['GET', '/api/v1/write', 405, 'POST, OPTIONS'],
    ['GET', '/api/v1/nosuch', 404, null],
    ['GET', '/nosuch.js', 404, null],
  ])('%s %s', async (method, path, status, allow) => {
    const answer = await ask(path, { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([status, allow])
  })
})

describe('an answer', () => {
  it.each([
    ['gzip, deflate, br', 'gzip'],
    ['gzip;q=0', null],
    ['br', null],
  ])('to a client that accepts %s is encoded as %s', async (accepted, encoding) => {
    const path = `${R}?${range({ query: 'up', start: String(NOW_S - 600), step: '5' })}`
    const answer = await ask(path, { headers: { 'accept-encoding': accepted } })
    expect(answer.headers.get('content-encoding')).toBe(encoding)
    expect(answer.headers.get('vary')).toBe('Accept-Encoding')
    expect(answer.json.data.result).toHaveLength(2)
  })

  it('is found by a long query in a URL', async () => {
    expect((await ask(`${Q}?query=up{job="${'x'.repeat(60_000)}"}`)).json.data).toEqual(vector())
  })

  it('to a page of another origin can be read by it only if that is allowed', async () => {
    const other = await TestServer.start({ security: { allowedOrigins: ['https://grafana.example'] } })
    const from = (origin: string, method = 'GET') => other.fetch(`${Q}?query=1`, { method, headers: { origin } })
    const allowed = await from('https://grafana.example')
    expect([allowed.status, allowed.headers.get('access-control-allow-origin')]).toEqual([200, 'https://grafana.example'])
    expect(allowed.headers.get('vary')).toMatch(/Origin/)
    expect((await from('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull()
    expect((await from('https://evil.example', 'POST')).status).toBe(403)
    await other.close()
  })
})
