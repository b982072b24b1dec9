import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { getIntrospectionQuery } from 'graphql'
import { EngineError } from '../../src/domain/errors.ts'
import { QueryError } from '../../src/query/query-service.ts'
import { registry } from '../../src/telemetry/metrics.ts'
import { fakeDeps, labels, position, scopes } from './fakes.ts'
import { TestServer } from './server.ts'

const deps = fakeDeps()
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start(deps)
})
afterAll(() => server.close())
beforeEach(() => {
  server.caller = { scopes: scopes('read', 'write'), sender: 'test' }
  deps.queries.error = null
  deps.queries.hang = false
  deps.append.error = null
  deps.append.rejected = []
  deps.append.batches.length = 0
})

const codes = (answer: { errors: { extensions: { code: string } }[] }) => answer.errors.map(({ extensions }) => extensions.code)

describe('the document', () => {
  const nested = (depth: number): string => (depth === 0 ? '__typename' : `a { ${nested(depth - 1)} }`)
  const refused: [string, string, string][] = [
    ['is not well formed', '{ server {', 'GRAPHQL_PARSE_FAILED'],
    ['does not fit the schema', '{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    ['is too deep', `{ ${nested(12)} }`, 'TOO_COMPLEX'],
    [
      'is too deep through fragments',
      `{ ...A } fragment A on Query { ${nested(5)} ...B } fragment B on Query { ${nested(11)} }`,
      'TOO_COMPLEX',
    ],
    ['has too many aliases', `{ ${Array.from({ length: 31 }, (_, i) => `server { a${i}: version }`).join(' ')} }`, 'TOO_COMPLEX'],
    ['has too many fields at its root', `{ ${'server { version } '.repeat(21)} }`, 'TOO_COMPLEX'],
    ['has too many tokens', `{ server { ${'version '.repeat(2000)} } }`, 'TOO_COMPLEX'],
    ['is too long', `{ server { version } } #${'x'.repeat(70_000)}`, 'TOO_COMPLEX'],
    [
      'costs too much',
      '{ a: series(first: 1000) { ...S } b: series(first: 1000) { ...S } c: series(first: 1000) { ...S } d: series(first: 1000) { ...S } } fragment S on SeriesConnection { nodes { text labels { name } } }',
      'TOO_COMPLEX',
    ],
    ['spreads a fragment in itself', '{ ...A } fragment A on Query { ...A }', 'GRAPHQL_VALIDATION_FAILED'],
  ]
  it.each(refused)('is refused when it %s', async (_, document, code) => {
    const answer = await server.query(document)
    expect(answer.status).toBe(400)
    expect(codes(answer)).toEqual([code])
    expect(answer.data).toBeUndefined()
  })

  it('is refused when the page size in its variables makes it cost too much', async () => {
    const document = 'query ($n: Int) { a: series(first: $n) { nodes { labels { name value } } } }'
    expect(codes(await server.query(document, { n: 100 }))).toEqual([])
    expect(codes(await server.query(document, { n: 1000 }))).toEqual(['TOO_COMPLEX'])
  })

  it('measures fragments of fragments in no time', async () => {
    const fragments = Array.from({ length: 30 }, (_, i) => `fragment F${i} on Query { ...F${i + 1} ...F${i + 1} }`).join(' ')
    const answer = await server.query(`{ ...F0 } ${fragments} fragment F30 on Query { server { a: version } }`)
    expect(codes(answer)).toEqual(['TOO_COMPLEX'])
  })

  it('may hold a dashboard of twenty charts', async () => {
    const charts = Array.from(
      { length: 20 },
      (_, i) => `c${i}: rangeQuery(query: "up", start: 1, end: 2, step: 1) { timestamps series { labels { name value } values } }`,
    )
    expect(codes(await server.query(`{ ${charts.join(' ')} }`))).toEqual([])
  })

  it('may ask for the schema', async () => {
    const { data } = await server.query(getIntrospectionQuery({ descriptions: true, inputValueDeprecation: true, specifiedByUrl: true }))
    expect(data.__schema.types.length).toBeGreaterThan(50)
  })

  it('of several operations is refused without the name of one', async () => {
    const document = 'query A { server { version } } query B { server { now } }'
    expect(codes(await server.query(document))).toEqual(['BAD_USER_INPUT'])
    expect((await server.query(document, {}, 'A')).data).toEqual({ server: { version: '0.1.0' } })
  })
})

describe('the request', () => {
  const body = JSON.stringify({ query: '{ server { version } }' })

  it('is refused unless it is JSON, as a form of another site could send anything else', async () => {
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/json; charset=latin1',
    ]) {
      const answer = await server.post(body, { 'content-type': type })
      expect([type, answer.status, ...codes(answer)]).toEqual([type, 415, 'BAD_USER_INPUT'])
    }
  })

  it('is refused when it is no JSON, no object, a batch, too large', async () => {
    const answers: [string, number][] = [
      ['{', 400],
      ['5', 400],
      ['{}', 400],
      [`[${body},${body}]`, 400],
      ['\ud800'.length ? `"${'x'.repeat(9 * 2 ** 20)}"` : '', 413],
    ]
    for (const [text, status] of answers) {
      const answer = await server.post(text)
      expect([text.slice(0, 9), answer.status, ...codes(answer)]).toEqual([text.slice(0, 9), status, 'BAD_USER_INPUT'])
    }
    expect((await server.post(Uint8Array.of(0x22, 0xff, 0x22))).status).toBe(400)
  })

  it('may be a GET with a header that no link can send, for queries alone', async () => {
    const search = `query=${encodeURIComponent('{ server { version } }')}`
    expect(codes(await server.get(search))).toEqual(['BAD_USER_INPUT'])
    const answer = await server.get(search, { 'apollo-require-preflight': '1' })
    expect(answer.data).toEqual({ server: { version: '0.1.0' } })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const mutation = `query=${encodeURIComponent('mutation { pushSamples(input: { series: [] }) { accepted } }')}`
    const refused = await server.get(mutation, { 'apollo-require-preflight': '1' })
    expect([refused.status, ...codes(refused)]).toEqual([405, 'BAD_USER_INPUT'])
  })

  it('of a browser gets GraphiQL, under a policy that lets nothing in from elsewhere', async () => {
    const response = await fetch(server.url, { headers: { accept: 'text/html,application/xhtml+xml' } })
    expect(response.headers.get('content-type')).toContain('text/html')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'")
    expect(await response.text()).toContain('GraphiQL')
  })

  it('may want the media type of GraphQL over HTTP', async () => {
    const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' }
    expect((await server.post(body, headers)).headers.get('content-type')).toContain('application/graphql-response+json')
    const bad = await server.post(JSON.stringify({ query: '{' }), headers)
    expect([bad.status, bad.headers.get('content-type')]).toEqual([400, 'application/graphql-response+json; charset=utf-8'])
  })

  it('can not carry a subscription', async () => {
    const answer = await server.query('subscription { serverStatus { now } }')
    expect([answer.status, ...codes(answer)]).toEqual([400, 'BAD_USER_INPUT'])
    expect(answer.errors[0]?.message).toContain('WebSocket')
  })

  it('needs the scope of what it does', async () => {
    const query = '{ server { version } }'
    const mutation = 'mutation { pushSamples(input: { series: [] }) { accepted } }'
    const ask = async (document: string, ...list: ('read' | 'write' | 'operate')[]) => {
      server.caller = { scopes: scopes(...list), sender: 'test' }
      const answer = await server.query(document)
      return [answer.status, ...codes(answer)]
    }
    expect(await ask(query)).toEqual([401, 'UNAUTHENTICATED'])
    expect(await ask(mutation)).toEqual([401, 'UNAUTHENTICATED'])
    expect(await ask(query, 'write')).toEqual([403, 'FORBIDDEN'])
    expect(await ask(mutation, 'read')).toEqual([403, 'FORBIDDEN'])
    expect(await ask(query, 'read')).toEqual([200])
    expect(await ask(mutation, 'write')).toEqual([200])
    expect(deps.append.batches).toHaveLength(1)
  })

  it('ends its query when the caller leaves', async () => {
    deps.queries.hang = true
    deps.queries.aborted.length = 0
    const controller = new AbortController()
    const asked = deps.queries.instants.length
    const gone = fetch(server.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: '{ instantQuery(query: "up") { seriesTotal } }' }),
      signal: controller.signal,
    })
    while (deps.queries.instants.length === asked) await new Promise((resolve) => setImmediate(resolve))
    controller.abort()
    await expect(gone).rejects.toThrow()
    while (deps.queries.aborted.length === 0) await new Promise((resolve) => setImmediate(resolve))
    expect(deps.queries.aborted).toMatchObject([{ code: 'canceled' }])
  })

  it('ends when its time is over', async () => {
    deps.queries.hang = true
    const asked = deps.queries.instants.length
    const answer = server.query('{ instantQuery(query: "up") { seriesTotal } }')
    while (deps.queries.instants.length === asked) await new Promise((resolve) => setImmediate(resolve))
    await deps.clock.advance(200_000)
    expect(codes(await answer)).toEqual(['QUERY_TIMEOUT'])
  })

  it('is refused when its body does not say its size and is too large, or does not come to its end', async () => {
    const { hostname, port } = new URL(server.url)
    const send = (write: (socket: Socket) => void) =>
      new Promise<string>((resolve) => {
        let text = ''
        const socket = connect(Number(port), hostname, () => write(socket))
        socket
          .on('data', (data) => (text += data))
          .on('error', () => {})
          .on('close', () => resolve(text))
      })
    const head = 'POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    const megabyte = `100000\r\n${' '.repeat(2 ** 20)}\r\n`
    const large = await send((socket) => socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n${megabyte.repeat(9)}`))
    expect(large).toMatch(/^HTTP\/1.1 413 /)
    const slow = send((socket) => socket.write(`${head}Content-Length: 100\r\n\r\n{`))
    const sleeping = deps.clock.sleeping
    await deps.clock.untilSleeping(sleeping + 1)
    await deps.clock.advance(60_000)
    expect(await slow).toMatch(/^HTTP\/1.1 408 /)
  })

  it('that ends before its body does harms nobody', async () => {
    const { hostname, port } = new URL(server.url)
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write('POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{', () => {
          socket.destroy()
          resolve()
        })
      })
    })
    expect((await server.query('{ server { version } }')).errors).toEqual([])
  })

  it('that is being answered when the server stops gets a while to end', async () => {
    const own = fakeDeps()
    const stopping = await TestServer.start(own)
    own.queries.hang = true
    const answer = stopping.query('{ instantQuery(query: "up") { seriesTotal } }')
    while (own.queries.instants.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const closed = stopping.door.close()
    expect(codes(await stopping.query('{ server { version } }'))).toEqual(['UNAVAILABLE'])
    expect(own.queries.aborted).toEqual([])
    await own.clock.advance(4_000)
    expect(codes(await answer)).toEqual(['UNAVAILABLE'])
    await closed
    await stopping.close()
  })

  it('is counted by type and result', async () => {
    const count = async (result: string) => {
      const metric = registry.getSingleMetric('tidemark_graphql_requests_total')
      const { values } = (await metric?.get()) ?? { values: [] }
      return values.find(({ labels: by }) => by.operation_type === 'query' && by.result === result)?.value ?? 0
    }
    const [ok, failed] = [await count('ok'), await count('QUERY_FAILED')]
    await server.query('{ instantQuery(query: "up") { seriesTotal } }')
    deps.queries.error = new QueryError('execution', 'many-to-many')
    await server.query('{ instantQuery(query: "up") { seriesTotal } }')
    expect([(await count('ok')) - ok, (await count('QUERY_FAILED')) - failed]).toEqual([1, 1])
  })
})

describe('pushSamples', () => {
  const document =
    'mutation ($input: PushSamplesInput!) { pushSamples(input: $input) { position accepted refused rejected { series reason message samples } } }'
  const up = [
    { name: 'job', value: 'node' },
    { name: '__name__', value: 'up' },
  ]

  it('hands over series, samples and metadata, and returns where they stand', async () => {
    const { data, errors } = await server.query(document, {
      input: {
        series: [
          {
            labels: up,
            samples: [
              { timestamp: 1000, value: 1 },
              { timestamp: 2000, value: 'NaN' },
              { timestamp: 3000, value: '-Inf' },
            ],
          },
        ],
        metadata: [{ metric: 'up', type: 'GAUGE', help: 'Whether it is up.' }],
      },
    })
    expect(errors).toEqual([])
    expect(data.pushSamples).toEqual({ position, accepted: 3, refused: 0, rejected: [] })
    const [batch] = deps.append.batches
    expect(batch?.labels.map(String)).toEqual(Array(3).fill('up{job="node"}'))
    expect([...(batch?.times ?? [])]).toEqual([1000, 2000, 3000])
    expect([...(batch?.values ?? [])]).toEqual([1, Number.NaN, -Infinity])
    expect(batch?.metadata).toEqual([{ metric: 'up', type: 'gauge', help: 'Whether it is up.', unit: '' }])
  })

  it('names what was refused, and keeps the rest', async () => {
    deps.append.rejected = [{ series: '{}', reason: 'no-labels', message: 'no labels', samples: 1 }]
    const { data } = await server.query(document, {
      input: {
        series: [
          { labels: up, samples: [{ timestamp: 1, value: 1 }] },
          {
            labels: [...up, { name: 'job', value: 'x' }],
            samples: [
              { timestamp: 1, value: 1 },
              { timestamp: 2, value: 1 },
            ],
          },
        ],
      },
    })
    expect(data.pushSamples).toMatchObject({ accepted: 1, refused: 3 })
    expect(data.pushSamples.rejected).toEqual([
      { series: 'up{job="x"}', reason: 'DUPLICATE_LABEL', message: 'label "job" stands twice, expected each name once', samples: 2 },
      { series: '{}', reason: 'NO_LABELS', message: 'no labels', samples: 1 },
    ])
  })

  it('writes once for one idempotency key of one sender', async () => {
    const input = { series: [{ labels: up, samples: [{ timestamp: 1, value: 1 }] }], idempotencyKey: 'k' }
    const one = await server.query(document, { input })
    const two = await server.query(document, { input })
    expect(two.data).toEqual(one.data)
    expect(deps.append.batches).toHaveLength(1)
    server.caller = { ...server.caller, sender: 'another' }
    await server.query(document, { input })
    expect(deps.append.batches).toHaveLength(2)
  })

  it('says that the log can not take samples now, and lets the same key try again', async () => {
    const input = { series: [{ labels: up, samples: [{ timestamp: 1, value: 1 }] }], idempotencyKey: 'again' }
    deps.append.error = new EngineError('DISK_FULL', 'no space left on /secret', { retryable: true })
    const answer = await server.query(document, { input })
    expect(codes(answer)).toEqual(['UNAVAILABLE'])
    expect(JSON.stringify(answer.errors)).not.toContain('secret')
    deps.append.error = null
    expect((await server.query(document, { input })).data.pushSamples.accepted).toBe(1)
  })

  it('refuses what is no value, no time, too much', async () => {
    const samples = (list: unknown[]) => ({ input: { series: [{ labels: up, samples: list }] } })
    for (const variables of [
      samples([{ timestamp: 1, value: 'one' }]),
      samples([{ timestamp: 1.5, value: 1 }]),
      samples([{ timestamp: '1', value: 1 }]),
      samples(Array(50_001).fill({ timestamp: 1, value: 1 })),
      { input: { series: [], idempotencyKey: '' } },
    ]) {
      expect(codes(await server.query(document, variables))).toEqual(['BAD_USER_INPUT'])
    }
    expect(deps.append.batches).toEqual([])
  })

  it('takes labels with an empty value as if they were not there', async () => {
    await server.query(document, {
      input: { series: [{ labels: [...up, { name: 'a', value: '' }], samples: [{ timestamp: 1, value: 1 }] }] },
    })
    expect(deps.append.batches[0]?.labels[0]).toEqual(labels({ __name__: 'up', job: 'node' }))
  })
})
