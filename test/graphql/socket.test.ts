import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { WebSocket } from 'ws'
import { fakeDeps, scopes } from './fakes.ts'
import { TestServer } from './server.ts'

interface Message {
  readonly type: string
  readonly id?: string
  // biome-ignore lint/suspicious/noExplicitAny: payloads have many shapes
  readonly payload?: any
}

/** A client that reads message by message. */
class Client {
  readonly socket: WebSocket
  readonly closed: Promise<number>
  readonly #arrived: Message[] = []
  #wake: () => void = () => {}

  constructor(server: TestServer, protocol = 'graphql-transport-ws') {
    this.socket = new WebSocket(server.url.replace('http', 'ws'), protocol)
    this.socket.on('message', (data) => {
      this.#arrived.push(JSON.parse(String(data)))
      this.#wake()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => this.socket.once('close', resolve))
  }

  static async open(server: TestServer, params?: Record<string, unknown>): Promise<Client> {
    const client = new Client(server)
    await new Promise((resolve) => client.socket.once('open', resolve))
    client.send({ type: 'connection_init', ...(params && { payload: params }) })
    return client
  }

  send(message: Message): void {
    this.socket.send(JSON.stringify(message))
  }

  subscribe(id: string, query: string, variables?: Record<string, unknown>): void {
    this.send({ type: 'subscribe', id, payload: { query, variables } })
  }

  async next(): Promise<Message> {
    while (this.#arrived.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    return this.#arrived.shift() as Message
  }
}

let deps = fakeDeps()
let server: TestServer

beforeEach(async () => {
  deps = fakeDeps()
  server = await TestServer.start(deps)
})
afterEach(() => server.close())

const status = 'subscription { serverStatus(intervalMs: 1000) { now } }'

describe('a socket', () => {
  it('gets the state of the server at once and at every interval, until it says complete', async () => {
    const client = await Client.open(server)
    expect(await client.next()).toEqual({ type: 'connection_ack' })
    client.subscribe('1', status)
    const startMs = deps.clock.nowMs()
    expect(await client.next()).toEqual({ id: '1', type: 'next', payload: { data: { serverStatus: { now: startMs } } } })
    const sleeping = deps.clock.sleeping
    await deps.clock.advance(1000)
    expect(await client.next()).toEqual({ id: '1', type: 'next', payload: { data: { serverStatus: { now: startMs + 1000 } } } })
    client.send({ type: 'complete', id: '1' })
    while (deps.clock.sleeping >= sleeping) await new Promise((resolve) => setImmediate(resolve))
    client.send({ type: 'ping' })
    expect(await client.next()).toEqual({ type: 'pong' })
  })

  it('carries queries as well', async () => {
    const client = await Client.open(server)
    await client.next()
    client.subscribe('q', '{ server { version } }')
    expect(await client.next()).toEqual({ id: 'q', type: 'next', payload: { data: { server: { version: '0.1.0' } } } })
    expect(await client.next()).toEqual({ id: 'q', type: 'complete' })
  })

  it('stays open when a document is wrong', async () => {
    const client = await Client.open(server)
    await client.next()
    const wrong: [string, string][] = [
      ['{', 'GRAPHQL_PARSE_FAILED'],
      ['{ nothing }', 'GRAPHQL_VALIDATION_FAILED'],
      [`{ server { ${'version '.repeat(2000)} } }`, 'TOO_COMPLEX'],
      ['query A { server { version } } query B { server { now } }', 'BAD_USER_INPUT'],
      ['subscription { serverStatus(intervalMs: 1) { now } }', 'BAD_USER_INPUT'],
    ]
    for (const [document, code] of wrong) {
      client.subscribe(code, document)
      const message = await client.next()
      const errors = message.type === 'error' ? message.payload : message.payload.errors
      expect([document.slice(0, 20), errors[0].extensions]).toEqual([document.slice(0, 20), { code }])
      if (message.type === 'next') expect((await client.next()).type).toBe('complete')
    }
    client.subscribe('q', '{ server { version } }')
    expect((await client.next()).type).toBe('next')
  })

  it('ends a query that its caller completes, and the queries of a caller that leaves', async () => {
    deps.queries.hang = true
    const client = await Client.open(server)
    await client.next()
    client.subscribe('a', '{ instantQuery(query: "up") { seriesTotal } }')
    client.subscribe('b', '{ instantQuery(query: "up") { seriesTotal } }')
    while (deps.queries.instants.length < 2) await new Promise((resolve) => setImmediate(resolve))
    client.send({ type: 'complete', id: 'a' })
    while (deps.queries.aborted.length < 1) await new Promise((resolve) => setImmediate(resolve))
    client.socket.terminate()
    while (deps.queries.aborted.length < 2) await new Promise((resolve) => setImmediate(resolve))
    expect(deps.queries.aborted).toMatchObject([{ code: 'canceled' }, { code: 'canceled' }])
  })

  it('has a bound on what runs at once', async () => {
    deps.queries.hang = true
    const client = await Client.open(server)
    await client.next()
    for (let i = 0; i < 50; i++) client.subscribe(String(i), '{ instantQuery(query: "up") { seriesTotal } }')
    client.subscribe('over', '{ server { version } }')
    expect(await client.next()).toMatchObject({ id: 'over', type: 'error', payload: [{ extensions: { code: 'TOO_COMPLEX' } }] })
  })

  it('without any scope must bring a token that is known', async () => {
    server.caller = { scopes: scopes(), sender: 'elsewhere' }
    expect(await (await Client.open(server)).closed).toBe(4403)
    expect(await (await Client.open(server, { token: 'guess' })).closed).toBe(4403)
    const client = await Client.open(server, { token: 'reader' })
    expect(await client.next()).toEqual({ type: 'connection_ack' })
    client.subscribe('q', '{ server { version } }')
    expect((await client.next()).type).toBe('next')
    await client.next()
    client.subscribe('m', 'mutation { pushSamples(input: { series: [] }) { accepted } }')
    expect(await client.next()).toMatchObject({ type: 'error', payload: [{ extensions: { code: 'FORBIDDEN' } }] })
  })

  it('is closed when it speaks another protocol, subscribes unasked, or sends too much', async () => {
    const other = new Client(server, 'graphql-ws')
    // The server agrees to no protocol, on which a client has to give up by itself.
    expect(await other.closed).toBe(1006)
    const eager = new Client(server)
    await new Promise((resolve) => eager.socket.once('open', resolve))
    eager.subscribe('1', status)
    expect(await eager.closed).toBe(4401)
    const large = await Client.open(server)
    await large.next()
    large.socket.send('x'.repeat(2 ** 20 + 1))
    expect(await large.closed).toBe(1009)
    const nonsense = await Client.open(server)
    await nonsense.next()
    nonsense.socket.send('nonsense')
    expect(await nonsense.closed).toBe(4400)
  })

  it('that does not answer pings is closed', async () => {
    const client = await Client.open(server)
    await client.next()
    client.socket.pong = () => {}
    client.socket.removeAllListeners('ping')
    // Nothing reads any more, so no pong can leave.
    client.socket.pause()
    await deps.clock.advance(15_000)
    await deps.clock.advance(15_000)
    client.socket.resume()
    expect(await client.closed).toBe(1006)
  })

  it('is told when the server goes', async () => {
    const client = await Client.open(server)
    await client.next()
    client.subscribe('1', status)
    await client.next()
    await server.door.close()
    expect(await client.closed).toBe(1001)
  })
})
