import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { ApiError, apiErrorOf } from './api-error.ts'
import { BodyReader, BodyRefused } from './body.ts'
import type { HttpDeps, HttpOptions } from './deps.ts'
import { countRequest, inFlight } from './http-metrics.ts'
import { PageFiles } from './page-files.ts'
import { Parameters } from './parameters.ts'
import { type ApiAnswer, type ApiRoute, prometheusApi, targetsApi } from './prometheus-api.ts'
import { send, sendPacked, sendText } from './reply.ts'
import { AccessPolicy, type Caller, type Refusal, type Scope } from './security/policy.ts'
import { Writes } from './writes.ts'

const KEEP_ALIVE_MS = 75_000
const HEADERS_MS_MAX = 20_000
/** Long queries in URLs: Node's own 16 KiB is less than what people put into dashboards. */
const HEADER_BYTES_MAX = 128 * 2 ** 10
const FORM_BYTES_MAX = 10 * 2 ** 20

const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** What a request is for, and what a caller needs for it. */
interface Handler {
  readonly name: string
  readonly scope: Scope | null
  /** Asked by whoever, with or without a token, good or bad. */
  readonly isPublic?: boolean
  readonly methods: readonly string[]
  readonly handle: (request: IncomingMessage, response: ServerResponse, caller: Caller, url: URL) => Promise<void> | void
}

const NOBODY: Caller = { scopes: new Set(), sender: '' }

/** The listening socket: push, Prometheus API, GraphQL, page, health. Alone knows HTTP servers. */
export class HttpServer {
  readonly policy: AccessPolicy
  readonly #deps: HttpDeps
  readonly #options: HttpOptions
  readonly #server: Server
  readonly #page: PageFiles
  readonly #writes: Writes | null
  readonly #bodies: BodyReader
  readonly #api: ReadonlyMap<string, ApiRoute>
  readonly #fixed: ReadonlyMap<string, Handler>
  #closing = false

  constructor(deps: HttpDeps, options: HttpOptions) {
    this.#deps = deps
    this.#options = options
    this.policy = new AccessPolicy(options.security)
    this.#page = new PageFiles(deps.pageDir)
    this.#bodies = new BodyReader(options.limits, deps.clock)
    const { ingest, queries } = deps
    this.#writes = ingest === null ? null : new Writes({ ...deps, ingest }, options.limits, this.#bodies)
    const others = deps.targets === null ? new Map<string, ApiRoute>() : targetsApi(deps)
    this.#api = queries === null ? others : prometheusApi({ ...deps, queries }, options.limits)
    this.#fixed = this.#handlers()
    const settings = {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: HEADERS_MS_MAX,
      // How long a body may take is for whoever reads it.
      requestTimeout: 0,
      connectionsCheckingInterval: HEADERS_MS_MAX / 4,
      maxHeaderSize: HEADER_BYTES_MAX,
      noDelay: true,
    }
    this.#server = options.tls === null ? createServer(settings) : createTlsServer({ ...settings, ...options.tls })
    this.#server.on('request', (request, response) => void this.#answer(request, response))
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    // Whatever comes that is not HTTP gets a word and is let go of.
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const status = CLIENT_ERRORS[error.code ?? ''] ?? '400 Bad Request'
      if (socket.writable) socket.end(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
      else socket.destroy()
    })
  }

  /** @throws the operating system's error when the port can't be had */
  async listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.removeListener('error', reject)
        resolve()
      })
    })
    const { address, port: bound } = this.#server.address() as AddressInfo // listening on TCP
    return { host: address, port: bound }
  }

  /** Takes no more, finishes what runs, and cuts what is left after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const waiting = new AbortController()
    const grace = this.#deps.clock.sleep(graceMs, waiting.signal).then(
      () => this.#server.closeAllConnections(),
      () => {},
    )
    await Promise.race([closed, grace])
    waiting.abort()
  }

  #handlers(): ReadonlyMap<string, Handler> {
    const deps = this.#deps
    const handlers: [string, Handler][] = [
      [
        '/api/v1/write',
        {
          name: 'remote_write',
          scope: 'write',
          methods: ['POST'],
          handle: (request, response, { sender }) =>
            this.#writes?.remoteWrite(request, response, sender) ?? this.#notHere(response, 'ingest'),
        },
      ],
      [
        '/api/v1/push',
        {
          name: 'push',
          scope: 'write',
          methods: ['POST'],
          handle: (request, response, { sender }) => this.#writes?.jsonPush(request, response, sender) ?? this.#notHere(response, 'ingest'),
        },
      ],
      ['/metrics', { name: 'metrics', scope: 'read', methods: ['GET'], handle: (request, response) => this.#metrics(request, response) }],
      [
        '/-/healthy',
        {
          name: 'healthy',
          scope: null,
          isPublic: true,
          methods: ['GET', 'HEAD'],
          handle: (_, response) => sendText(response, 200, 'Tidemark is Healthy.'),
        },
      ],
      [
        '/-/ready',
        { name: 'ready', scope: null, isPublic: true, methods: ['GET', 'HEAD'], handle: (_, response) => this.#ready(response) },
      ],
      [
        '/-/seal',
        {
          name: 'seal',
          scope: 'operate',
          methods: ['POST'],
          handle: async (_, response) => {
            if (deps.seal === null) return this.#notHere(response, 'project')
            // In the API's envelope, so that `tidemark seal` and scripts read it alike.
            send(response, 200, 'application/json', JSON.stringify({ status: 'success', data: { sealedBuckets: await deps.seal() } }))
          },
        },
      ],
      [
        '/graphql',
        {
          name: 'graphql',
          scope: null,
          methods: ['GET', 'POST'],
          handle: (request, response, caller) => this.#graphql(request, response, caller),
        },
      ],
    ]
    return new Map(handlers)
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, logger } = this.#deps
    const started = clock.monotonicMs()
    const { socket } = request
    inFlight.inc()
    const url = parseUrl(request.url)
    const handler = url === null ? null : this.#find(url.pathname)
    response.once('close', () => {
      inFlight.dec()
      const seconds = (clock.monotonicMs() - started) / 1000
      countRequest(handler?.name ?? 'unknown', request.method ?? '', response.statusCode, seconds, socket)
      // A connection that was busy when the server began to close is idle now.
      if (this.#closing) this.#server.closeIdleConnections()
    })
    response.setHeader('x-content-type-options', 'nosniff')
    if (this.#closing) response.setHeader('connection', 'close')
    try {
      await this.#handle(request, response, url, handler)
    } catch (error) {
      logger.error({ error: String(error), handler: handler?.name }, 'a request failed')
      if (response.headersSent) response.destroy()
      else sendText(response, 500, 'the request failed for a reason of our own; it is in the log of the server')
    }
    // A body that nobody read must not stand in the way of the next request.
    this.#bodies.discard(request)
  }

  async #handle(request: IncomingMessage, response: ServerResponse, url: URL | null, handler: Handler | null): Promise<void> {
    if (url === null) return sendText(response, 400, 'the URL can not be read')
    const refusal = this.policy.refusal(request)
    if (refusal !== null) return refuse(response, refusal)
    if (handler === null) return sendText(response, 404, '404 page not found')
    this.#cors(request, response)
    if (request.method === 'OPTIONS') return void response.writeHead(204).end()
    if (!handler.methods.includes(request.method ?? '')) {
      response.setHeader('allow', [...handler.methods, 'OPTIONS'].join(', '))
      return sendText(response, 405, `${request.method} is not allowed here: use ${handler.methods.join(' or ')}`)
    }
    const caller = handler.isPublic ? NOBODY : this.policy.caller(request)
    if ('status' in caller) return refuse(response, caller)
    const forbidden = handler.scope === null ? null : this.policy.forbids(caller, handler.scope, request)
    if (forbidden !== null) return refuse(response, forbidden)
    await handler.handle(request, response, caller, url)
  }

  #find(path: string): Handler | null {
    const fixed = this.#fixed.get(path)
    if (fixed !== undefined) return fixed
    if (path.startsWith('/api/v1/')) return this.#findApi(path.slice('/api/v1/'.length).replace(/\/$/, ''))
    return {
      name: 'page',
      scope: null,
      isPublic: true,
      methods: ['GET', 'HEAD'],
      handle: (request, response) => this.#servePage(path, request, response),
    }
  }

  #findApi(path: string): Handler | null {
    const label = /^label\/([^/]+)\/values$/.exec(path)
    const key = label === null ? path : 'label/*/values'
    const route = this.#api.get(key)
    if (route === undefined && this.#deps.queries === null) {
      const handle: Handler['handle'] = (_, response) => this.#notHere(response, 'query')
      return { name: 'absent', scope: 'read', methods: ['GET', 'POST'], handle }
    }
    if (route === undefined) return null
    const name = label === null ? '' : decode(label[1])
    return {
      name: key.replace('/*', ''),
      scope: 'read',
      methods: route.methods,
      handle: (request, response, _, url) => this.#answerApi(request, response, url, route, name),
    }
  }

  async #answerApi(request: IncomingMessage, response: ServerResponse, url: URL, route: ApiRoute, name: string): Promise<void> {
    const leaving = new AbortController()
    response.once('close', () => {
      if (!response.writableFinished) leaving.abort()
    })
    try {
      const parameters = await this.#parameters(request, url)
      const minPosition = request.headers['x-tidemark-min-position']
      const answer = await route.handle(
        { parameters, minPosition: typeof minPosition === 'string' ? minPosition : undefined, signal: leaving.signal },
        name,
      )
      await sendPacked(request, response, 200, 'application/json', bodyOf(answer))
    } catch (error) {
      const apiError = error instanceof BodyRefused ? refusedBody(error) : apiErrorOf(error)
      if (apiError.type === 'internal') this.#deps.logger.error({ error: String(error) }, 'a query failed')
      await sendPacked(request, response, apiError.status, 'application/json', apiError.body())
    }
  }

  /** Parameters of the URL, and before them those of a form. */
  async #parameters(request: IncomingMessage, url: URL): Promise<Parameters> {
    if (request.method !== 'POST') return new Parameters(url.searchParams)
    const type = (request.headers['content-type'] ?? '').split(';')[0].trim()
    if (type !== 'application/x-www-form-urlencoded') return new Parameters(url.searchParams)
    if (Number(request.headers['content-length'] ?? 0) > FORM_BYTES_MAX) throw new BodyRefused(413, 'the form is too large')
    const form = await this.#bodies.read(
      request,
      async (body) => new URLSearchParams(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8')),
    )
    for (const [key, value] of url.searchParams) form.append(key, value)
    return new Parameters(form)
  }

  /** Asked of the wrong process: the answer says which one to ask. */
  #notHere(response: ServerResponse, role: string): void {
    const { roles } = this.#deps
    sendText(response, 404, `this process is none that does this: ask one with the role ${role} (its own: ${roles.join(', ')})`)
  }

  #cors(request: IncomingMessage, response: ServerResponse): void {
    const { origin } = request.headers
    if (origin === undefined || !this.policy.isAllowedOrigin(origin)) return
    response.setHeader('access-control-allow-origin', origin)
    response.setHeader('access-control-allow-headers', 'Accept, Authorization, Content-Type, Origin, X-Tidemark-Min-Position')
    response.setHeader('access-control-allow-methods', 'GET, POST, OPTIONS')
    response.setHeader('access-control-expose-headers', 'Date, X-Tidemark-Position')
    response.appendHeader('vary', 'Origin')
  }

  async #metrics(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('cache-control', 'no-store')
    await sendPacked(request, response, 200, 'text/plain; version=0.0.4; charset=utf-8', await this.#deps.metricsText())
  }

  #ready(response: ServerResponse): void {
    const { ready, reason } = this.#deps.ready()
    sendText(response, ready ? 200 : 503, ready ? 'Tidemark is Ready.' : `not ready: ${reason ?? 'starting'}`)
  }

  async #servePage(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!(await this.#page.serve(path, request, response))) sendText(response, 404, '404 page not found')
  }

  async #graphql(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    const graphql = this.#deps.graphql()
    if (this.#deps.queries === null) return this.#notHere(response, 'query')
    if (graphql === null) {
      response.setHeader('retry-after', '1')
      return sendText(response, 503, 'GraphQL is being loaded: try again in a second')
    }
    await graphql.handleHttp(request, response, caller)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuseSocket = ({ status, message }: Refusal) =>
      socket.end(
        `HTTP/1.1 ${status} Refused\r\ncontent-type: text/plain\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
      )
    socket.on('error', () => socket.destroy())
    const refusal = this.policy.refusal(request)
    if (refusal !== null) return void refuseSocket(refusal)
    const graphql = this.#deps.graphql()
    if (parseUrl(request.url)?.pathname !== '/graphql' || graphql === null) {
      return void refuseSocket(
        graphql === null ? { status: 503, message: 'GraphQL is being loaded' } : { status: 404, message: 'WebSockets are at /graphql' },
      )
    }
    const caller = this.policy.caller(request)
    if ('status' in caller) return void refuseSocket(caller)
    graphql.handleUpgrade(request, socket, head, caller)
  }
}

function bodyOf(answer: ApiAnswer): Uint8Array | string {
  if ('body' in answer) return answer.body
  const { data, warnings } = answer
  return JSON.stringify({ status: 'success', data, ...(warnings !== undefined && { warnings }) })
}

function refusedBody({ status, message }: BodyRefused): ApiError {
  return new ApiError(status === 429 ? 'unavailable' : status === 408 ? 'timeout' : 'bad_data', message)
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  if (status === 401) response.setHeader('www-authenticate', 'Bearer realm="tidemark"')
  sendText(response, status, message)
}

function parseUrl(text: string | undefined): URL | null {
  try {
    return new URL(text ?? '/', 'http://localhost')
  } catch {
    return null
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
