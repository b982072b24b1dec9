import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { snappyLiteral, type TestSeries, varint, writeRequest } from '../ingest/write-request.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

/** What a running server says to input that no sender should send. */
describe('bad input', () => {
  const data = mkdtempSync(join(tmpdir(), 'tidemark-bad-'))
  const now = Date.now()
  let port = 0
  let server: ServerProcess

  beforeAll(async () => {
    port = await freePort()
    server = await ServerProcess.start(port, ['--config', 'quickstart.yaml', '--data', data, '--log-level', 'error'])
  })

  afterAll(async () => {
    await server.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true })
  })

  const write = async (body: Uint8Array, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.url}/api/v1/write`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', ...headers },
      body: Buffer.from(body),
    })
    return { status: response.status, text: await response.text() }
  }
  const series = (labels: TestSeries['labels'], time = now, value = 1): TestSeries => ({ labels, samples: [{ time, value }] })
  const named = (name: string) => series([['__name__', name]])
  const ask = async (query: string) => {
    const response = await fetch(`${server.url}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query }) })
    return { status: response.status, body: (await response.json()) as { status: string; errorType?: string; error?: string } }
  }
  const graphql = async (query: string) => {
    const response = await fetch(`${server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    })
    return { status: response.status, body: (await response.json()) as { errors?: { message: string }[] } }
  }
  /** Whatever comes back to bytes that need not be HTTP. */
  const raw = (bytes: string) =>
    new Promise<string>((resolve) => {
      let answer = ''
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
      socket.on('data', (chunk) => {
        answer += chunk.toString()
        socket.end()
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(answer))
    })
  const residentMiB = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024

  describe('of samples', () => {
    it.each([
      ['a body that is no snappy', Uint8Array.of(255, 255, 255, 255, 255, 255), 400],
      ['snappy that ends early', writeRequest([named('cut')]).subarray(0, 12), 400],
      ['snappy that says it holds 2 GiB', Uint8Array.from([...varint(2 ** 31), 0, 0]), 413],
      ['snappy of what is no protobuf', snappyLiteral(Buffer.from('this is not protobuf at all')), 400],
      ['an empty body', new Uint8Array(), 400],
    ])('%s is refused with a word', async (_, body, status) => {
      const answer = await write(body)
      expect(answer.status).toBe(status)
      expect(answer.text.trim()).not.toBe('')
    })

    it.each<[string, TestSeries]>([
      [
        'a label given twice',
        series([
          ['__name__', 'bad_series'],
          ['a', '1'],
          ['a', '2'],
        ]),
      ],
      [
        'a label without a name',
        series([
          ['__name__', 'bad_series'],
          ['', 'x'],
        ]),
      ],
      ['a series without labels', series([])],
      ['a series without a name', series([['bad_series', 'x']])],
      [
        'a series of 10,000 labels',
        series([['__name__', 'bad_series'], ...Array.from({ length: 10_000 }, (_, i): [string, string] => [`l${i}`, 'x'])]),
      ],
      ['a sample of the far future', series([['__name__', 'bad_series']], now + 400 * 86_400_000)],
      ['a sample of 1970', series([['__name__', 'bad_series']], 1)],
    ])('%s is refused in words, and the rest of its request is stored', async (title, bad) => {
      const metric = `beside_${title.replaceAll(/\W/g, '_')}`
      const answer = await write(writeRequest([bad, named(metric)]))
      expect(answer.status).toBe(400)
      expect(answer.text).toMatch(/1 samples? (was|were) refused, 1 (was|were) stored:\n.*\w+ \w+/)
      expect(await server.query(metric)).toEqual({ [`{"__name__":"${metric}"}`]: 1 })
      expect(await server.query('bad_series')).toEqual({})
    })

    it('text that is no UTF-8 is refused in words', async () => {
      const body = writeRequest([
        series([
          ['__name__', 'bad_utf8'],
          ['a', 'zz'],
        ]),
      ])
      body[Buffer.from(body).indexOf('zz')] = 0xff
      const answer = await write(body)
      expect(answer.status).toBe(400)
      expect(answer.text).toMatch(/UTF-8/i)
      expect(await server.query('bad_utf8')).toEqual({})
    })

    it('what is right beside what is wrong is stored, and what was wrong is named', async () => {
      const answer = await write(writeRequest([series([['__name__', 'too_new']], now + 400 * 86_400_000), named('right')]))
      expect(answer.status).toBe(400)
      expect(answer.text).toContain('too_new')
      expect(await server.query('right')).toEqual({ '{"__name__":"right"}': 1 })
    })

    it('a NaN keeps its payload: only the marker of staleness ends a series', async () => {
      const odd = { labels: [['__name__', 'odd_nan']] as const, samples: [{ time: now, bits: [0x1234, 0x7ff80000] as const }] }
      const stale = { labels: [['__name__', 'gone']] as const, samples: [{ time: now, bits: [2, 0x7ff00000] as const }] }
      expect((await write(writeRequest([odd, stale]))).status).toBe(204)
      expect(await server.query('odd_nan')).toEqual({ '{"__name__":"odd_nan"}': Number.NaN })
      expect(await server.query('gone')).toEqual({})
    })

    it.each([
      [{ 'content-encoding': 'gzip' }, 415],
      [{ 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' }, 415],
    ])('headers %j', async (headers, status) => {
      expect((await write(writeRequest([named('x')]), headers)).status).toBe(status)
    })
  })

  describe('of queries', () => {
    it.each([
      ['parentheses 10,000 deep', `${'('.repeat(10_000)}1${')'.repeat(10_000)}`],
      ['minus signs 50,000 deep', `${'-'.repeat(50_000)}1`],
      ['a query of 1 MiB', `up{a="${'x'.repeat(2 ** 20)}"} +`],
      ['an open brace', 'up{'],
      ['a regular expression that is none', 'up{a=~"("}'],
      ['a look-ahead, which takes exponential time elsewhere', 'up{a=~"(?=a)b"}'],
    ])('%s is an error in words', async (_, query) => {
      const { status, body } = await ask(query)
      expect([400, 422]).toContain(status)
      expect(body.error).toMatch(/\w+ \w+/)
    })

    it('an expression that backtracks elsewhere takes no time', async () => {
      const value = `${'a'.repeat(1500)}!`
      const body = series([
        ['__name__', 'backtracked'],
        ['v', value],
      ])
      expect((await write(writeRequest([body]))).status).toBe(204)
      const started = performance.now()
      expect((await ask('backtracked{v=~"(a+)+$"}')).status).toBe(200)
      expect((await ask('backtracked{v=~"(a|a|a?)+b"}')).status).toBe(200)
      expect(performance.now() - started).toBeLessThan(2000)
    })

    it.each([
      ['a document 1,000 levels deep', `{ ${'server { '.repeat(1000)} ${'}'.repeat(1000)} }`],
      ['10,000 aliases', `{ ${Array.from({ length: 10_000 }, (_, i) => `a${i}: __typename`).join(' ')} }`],
      ['no GraphQL', '}{'],
    ])('%s is an error in words', async (_, query) => {
      for (let tries = 0; tries < 100 && (await fetch(`${server.url}/graphql?query={__typename}`)).status === 503; tries++)
        await new Promise((resolve) => setTimeout(resolve, 50))
      const { body } = await graphql(query)
      expect(body.errors?.[0]?.message).toMatch(/\w+ \w+/)
    })
  })

  describe('of HTTP', () => {
    it.each([
      ['no HTTP', '\u0016\u0003\u0001 this is TLS or worse\r\n\r\n', /^HTTP\/1\.1 400/],
      ['a URL of garbage', 'GET //[::::/%zz HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 4\d\d/],
      ['a name of another host', 'GET /api/v1/query?query=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n', /^HTTP\/1\.1 421/],
      ['a method that is none', 'BREW /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 4\d\d/],
      [
        'headers without end',
        `GET / HTTP/1.1\r\nHost: localhost\r\n${'X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(5000)}\r\n`,
        /^HTTP\/1\.1 4\d\d|^$/,
      ],
      [
        'lengths that differ',
        'POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
        /^HTTP\/1\.1 400/,
      ],
      [
        'a chunk that is none',
        'POST /api/v1/push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
        /^HTTP\/1\.1 400/,
      ],
      [
        'a body longer than any is taken',
        'POST /api/v1/write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n',
        /^HTTP\/1\.1 413/,
      ],
      ['a path out of the page', 'GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n', /^HTTP\/1\.1 404/],
    ])('%s', async (_, bytes, wanted) => {
      expect(await raw(bytes)).toMatch(wanted)
    })
  })

  it('a flood of it leaves the memory as it was', async () => {
    const flood = async (rounds: number) => {
      for (let i = 0; i < rounds; i++) {
        await Promise.all([
          write(Uint8Array.from([...varint(2 ** 31), 0, 0])),
          write(writeRequest([series([['__name__', 'future']], now + 400 * 86_400_000)])),
          write(Buffer.alloc(100_000, i)),
          ask(`${'('.repeat(1000)}${i}`),
          ask(`up{a=~"(${i}"}`),
          fetch(`${server.url}/api/v1/none${i}`).then((response) => response.text()),
          raw('GET //[::::/%zz HTTP/1.1\r\n\r\n'),
        ])
      }
    }
    await flood(100)
    const before = residentMiB()
    await flood(300)
    expect(residentMiB() - before).toBeLessThan(64)
    expect((await write(writeRequest([named('after_it_all')]))).status).toBe(204)
    expect(await server.query('after_it_all')).toEqual({ '{"__name__":"after_it_all"}': 1 })
  }, 60_000)
})
