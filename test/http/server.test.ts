import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, describe, expect, it } from '@jest/globals'
import { BadRequestError } from '../../src/ingest/errors.ts'
import type { QueryService } from '../../src/query/query-service.ts'
import { busy, TestServer } from './test-server.ts'

const servers: TestServer[] = []
async function start(...setting: Parameters<typeof TestServer.start>): Promise<TestServer> {
  const server = await TestServer.start(...setting)
  servers.push(server)
  return server
}
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close()
})

const protobuf = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }
const write = (server: TestServer, body: RequestInit['body'] = 'abc', headers: Record<string, string> = protobuf) =>
  server.fetch('/api/v1/write', { method: 'POST', body, headers, ...({ duplex: 'half' } as object) })
const head = (length: number | null, path = '/api/v1/write') =>
  `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n` +
  `${length === null ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`

describe('remote write', () => {
  it('hands on the body and the sender, and answers with the position', async () => {
    const server = await start()
    const response = await write(server)
    expect([response.status, await response.text()]).toEqual([204, ''])
    expect(response.headers.get('x-tidemark-position')).toBe('p0_0.7')
    expect(response.headers.get('x-prometheus-remote-write-samples-written')).toBe('3')
    expect(server.ingest.bodies.map((body) => Buffer.from(body).toString())).toEqual(['abc'])
    expect(server.ingest.senders).toEqual(['127.0.0.1'])
  })

  it('names what was refused while the rest is stored', async () => {
    const server = await start()
    const rejected = [{ series: 'up{job="x"}', reason: 'too-old', message: 'before the retention', samples: 2 }] as const
    server.ingest.result = { acceptedSamples: 5, rejectedSamples: 2, rejected, position: 'p0_0.9' }
    const response = await write(server)
    expect([response.status, response.headers.get('x-tidemark-position')]).toEqual([400, 'p0_0.9'])
    expect(await response.text()).toBe('2 samples were refused, 5 were stored:\nup{job="x"}: too-old: before the retention (2 samples)\n')
  })

  it.each([
    ['a body that can never succeed', new BadRequestError('not snappy'), 400, null],
    ['one that is too large unpacked', new BadRequestError('too large', 'too-large'), 413, null],
    ['a log that fails', busy('LOG_FAILED'), 503, '1'],
    ['a log that has too much to do', busy('LOG_BUSY'), 429, '1'],
    ['a fault of our own', new Error('secret detail'), 500, null],
  ])('answers %s', async (_, error, status, retryAfter) => {
    const server = await start()
    server.ingest.error = error
    const response = await write(server)
    expect([response.status, response.headers.get('retry-after')]).toEqual([status, retryAfter])
    expect(await response.text()).not.toMatch(/secret/)
  })

  const snappyOfNothing = Buffer.from([0])
  it.each([
    ['gzip', snappyOfNothing, { ...protobuf, 'content-encoding': 'gzip' }, 415, /send snappy/],
    [
      'remote write 2.0',
      snappyOfNothing,
      { ...protobuf, 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' },
      415,
      /1\.0/,
    ],
    ['JSON', snappyOfNothing, { ...protobuf, 'content-type': 'application/json' }, 415, /application\/x-protobuf/],
    ['JSON that is no snappy', '{}', { ...protobuf, 'content-type': 'application/json' }, 400, /snappy/],
  ])('refuses %s', async (_, body, headers, status, text) => {
    const server = await start()
    const response = await write(server, body, headers)
    expect([response.status, server.ingest.bodies.length]).toEqual([status, 0])
    expect(await response.text()).toMatch(text)
  })
})

describe('JSON push', () => {
  it.each([
    ['plain', undefined, (text: string) => Buffer.from(text)],
    ['gzip', 'gzip', (text: string) => gzipSync(text)],
    ['zstd', 'zstd', (text: string) => zstdCompressSync(text)],
  ])('takes %s bodies', async (_, encoding, encode) => {
    const server = await start()
    const headers = { 'content-type': 'application/json; charset=utf-8', ...(encoding && { 'content-encoding': encoding }) }
    const response = await server.fetch('/api/v1/push', { method: 'POST', body: encode('{"series":[]}'), headers })
    expect([response.status, await response.json()]).toEqual([200, { ...server.ingest.result }])
    expect(Buffer.from(server.ingest.bodies[0]).toString()).toBe('{"series":[]}')
  })

  it('unpacks no bomb', async () => {
    const server = await start()
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
    const response = await server.fetch('/api/v1/push', { method: 'POST', body: gzipSync(Buffer.alloc(1_000_000)), headers })
    expect([response.status, server.ingest.bodies.length]).toEqual([413, 0])
  })

  it('is not what a form can send', async () => {
    const server = await start()
    const response = await server.fetch('/api/v1/push', { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } })
    expect(response.status).toBe(415)
  })
})

describe('a body', () => {
  it('that is declared too long is refused, and its sender reads why while still sending', async () => {
    const server = await start()
    const response = await write(server, Buffer.alloc(10_001))
    expect([response.status, await response.text()]).toEqual([413, 'the body has 10001 bytes, at most 10000 bytes are taken\n'])
  })

  it('that grows too long is refused', async () => {
    const server = await start()
    const stream = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 3; i++) controller.enqueue(new Uint8Array(4000))
        controller.close()
      },
    })
    expect((await write(server, stream)).status).toBe(413)
  })

  it('that never ends is cut off after it was refused', async () => {
    const server = await start()
    const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`
    const text = await server.raw(head(null), (send) => {
      for (let i = 0; i < 20; i++) send(chunk)
    })
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
  })

  it('that stands still is given up', async () => {
    const server = await start()
    const answer = server.raw(head(100), (send) => send('ten bytes.'))
    await server.clock.untilSleeping()
    await server.clock.advance(29_999)
    await server.clock.advance(30_000)
    expect(await answer).toMatch(/^HTTP\/1\.1 408 [\s\S]*no byte of the body came for 30 s/)
    expect(server.ingest.bodies).toEqual([])
  })

  it('that comes byte by byte is given up as well', async () => {
    const server = await start()
    let send: (text: string) => void = () => {}
    const answer = server.raw(head(1000), (write) => (send = write))
    await server.clock.untilSleeping()
    for (let i = 0; i < 3; i++) {
      send('x')
      // Real bytes on a real socket: the server has to have heard them.
      await server.fetch('/-/healthy')
      await server.clock.advance(16_000)
    }
    expect(await answer).toMatch(/^HTTP\/1\.1 408 /)
  })

  it('too many at once are refused until others are done, and queries go on', async () => {
    const server = await start()
    const { promise, resolve } = Promise.withResolvers<void>()
    server.ingest.gate = promise
    const first = write(server, Buffer.alloc(9000))
    while (server.ingest.bodies.length === 0) await server.fetch('/-/healthy')
    const refused = await write(server, Buffer.alloc(9000))
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect((await server.fetch('/api/v1/query?query=1')).status).toBe(200)
    resolve()
    expect((await first).status).toBe(204)
    expect((await write(server, Buffer.alloc(9000))).status).toBe(204)
  })

  it('that ends early holds nothing any more', async () => {
    const server = await start()
    for (let i = 0; i < 3; i++) {
      const connection = new AbortController()
      const gone = fetch(`http://127.0.0.1:${server.port}/api/v1/write`, {
        method: 'POST',
        headers: protobuf,
        signal: connection.signal,
        body: new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(9000)) }),
        ...({ duplex: 'half' } as object),
      }).catch(() => 'gone')
      await server.clock.untilSleeping()
      connection.abort()
      expect(await gone).toBe('gone')
      while (server.clock.sleeping > 0) await server.fetch('/-/healthy')
    }
    expect((await write(server, Buffer.alloc(9000))).status).toBe(204)
  })
})

describe('what is not HTTP', () => {
  it.each([
    ['garbage', 'garbage\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['headers without end', `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'x'.repeat(140_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['two lengths', `${head(3).trimEnd()}\r\nContent-Length: 4\r\n\r\nabc`, /^HTTP\/1\.1 400 /],
  ])('%s gets a word', async (_, bytes, answer) => {
    const server = await start()
    expect(await server.raw(bytes)).toMatch(answer)
  })
})

describe('health', () => {
  it('is told to whoever asks, with a wrong token too', async () => {
    const tokens = [{ name: 'a', token: 'right', scopes: ['read'] as const, cidrs: [] }]
    const server = await start({
      security: { host: '0.0.0.0', tokens },
      deps: { ready: () => ({ ready: false, reason: 'the log is being read' }) },
    })
    const headers = { authorization: 'Bearer wrong' }
    expect((await server.fetch('/-/healthy', { headers })).status).toBe(200)
    const ready = await server.fetch('/-/ready', { headers })
    expect([ready.status, await ready.text()]).toEqual([503, 'not ready: the log is being read\n'])
    expect((await server.fetch('/metrics', { headers })).status).toBe(401)
    expect((await server.fetch('/metrics', { headers: { authorization: 'Bearer right' } })).status).toBe(200)
    expect((await server.fetch('/-/seal', { method: 'POST', headers: { authorization: 'Bearer right' } })).status).toBe(403)
  })
})

describe('the page', () => {
  it('is served packed, with a policy, and hashed files are kept for ever', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-page-'))
    mkdirSync(join(folder, 'assets'))
    writeFileSync(join(folder, 'index.html'), '<!doctype html>')
    writeFileSync(join(folder, 'assets', 'main-abc.js'), 'export {}')
    const server = await start({ deps: { pageDir: folder } })
    const index = await server.fetch('/')
    expect([index.status, await index.text(), index.headers.get('content-type')]).toEqual([
      200,
      '<!doctype html>',
      'text/html; charset=utf-8',
    ])
    expect(index.headers.get('content-security-policy')).toMatch(/script-src 'self';.*frame-ancestors 'none'/)
    expect(index.headers.get('cache-control')).toBe('no-cache')
    const script = await server.fetch('/assets/main-abc.js')
    expect([script.headers.get('cache-control'), script.headers.get('content-encoding')]).toEqual([
      'public, max-age=31536000, immutable',
      'gzip',
    ])
    expect((await server.fetch('/assets/../../etc/passwd')).status).toBe(404)
    expect((await server.fetch('/assets/%2e%2e/%2e%2e/etc/passwd')).status).toBe(404)
    rmSync(folder, { recursive: true })
  })

  it('that was not built says how to build it', async () => {
    const server = await start()
    expect(await (await server.fetch('/')).text()).toMatch(/npm run build/)
  })
})

describe('closing', () => {
  it('finishes what runs, takes no more, and lets idle connections go', async () => {
    const server = await start()
    const { promise, resolve } = Promise.withResolvers<void>()
    server.ingest.gate = promise
    const running = write(server)
    while (server.ingest.bodies.length === 0) await server.fetch('/-/healthy')
    const closed = server.server.close(10_000)
    await expect(server.fetch('/-/healthy', { headers: { connection: 'close' } })).rejects.toThrow()
    resolve()
    expect((await running).status).toBe(204)
    await closed
  })

  it('cuts what does not finish in time', async () => {
    const server = await start()
    server.ingest.gate = new Promise(() => {})
    const running = write(server).catch(() => 'cut')
    while (server.ingest.bodies.length === 0) await server.fetch('/-/healthy')
    const closed = server.server.close(5000)
    await server.clock.advance(5000)
    await closed
    expect(await running).toBe('cut')
  })

  it('tells a query that its client has left', async () => {
    const told = Promise.withResolvers<void>()
    const hanging = await start({
      deps: {
        queries: {
          instantJson: (_: unknown, __: unknown, signal: AbortSignal) =>
            new Promise<never>((_resolve, reject) =>
              signal.addEventListener('abort', () => {
                told.resolve()
                reject(signal.reason)
              }),
            ),
        } as Partial<QueryService> as QueryService, // only instant queries are asked
      },
    })
    const leaving = new AbortController()
    const asked = hanging.fetch('/api/v1/query?query=up', { signal: leaving.signal }).catch(() => 'left')
    await hanging.fetch('/-/healthy')
    leaving.abort()
    expect(await asked).toBe('left')
    await told.promise
  })
})
