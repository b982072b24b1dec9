import { readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import type { CallerContext } from '../../src/graphql/context.ts'
import type { GraphqlFrontDoor } from '../../src/graphql/front-door.ts'
import { graphiqlHeaders } from '../../src/graphql/graphiql.ts'

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
}

/** The policy that the server gives its page: nothing inline, nothing from elsewhere. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const caller: CallerContext = { scopes: new Set(['read', 'write']), sender: 'page' }

interface Asked {
  readonly query: string
  readonly variables: Record<string, unknown>
}

/** The built page, and answers of GraphQL as a test sets them. */
export class PageServer {
  readonly url: string
  readonly asked: Asked[] = []
  /** By what an expression contains: the lines of its chart, `[labels, value at a time]`. */
  lines: (expr: string) => [Record<string, string>, (ms: number) => number | string | null][] = machine
  /** What an expression gets instead of an answer. */
  refuse: (expr: string) => string | null = () => null
  token: string | null = null
  lagRecords = 0
  metrics = ['node_cpu_seconds_total', 'node_load1', 'node_memory_MemFree_bytes', 'tidemark_log_end_offset', 'up']
  /** The real thing, instead of a test's answers. */
  door: GraphqlFrontDoor | null = null
  readonly #server: Server
  readonly #folder: string

  private constructor(server: Server, folder: string) {
    this.#server = server
    this.#folder = folder
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('upgrade', (req, socket, head) => (this.door ? this.door.handleUpgrade(req, socket, head, caller) : socket.destroy()))
    server.on('request', async (req, res) => {
      const path = new URL(req.url ?? '/', this.url).pathname
      if (path === '/graphql' && this.door) return this.door.handleHttp(req, res, caller)
      if (path === '/graphql' && req.method === 'POST') {
        let body = ''
        for await (const chunk of req) body += chunk
        const refused = this.token !== null && req.headers.authorization !== `Bearer ${this.token}`
        res.writeHead(refused ? 401 : 200, { 'content-type': 'application/json' })
        return res.end(
          JSON.stringify(
            refused ? { errors: [{ message: 'no', extensions: { code: 'UNAUTHENTICATED' } }] } : this.#answer(JSON.parse(body)),
          ),
        )
      }
      const file = join(this.#folder, path === '/' ? 'index.html' : path === '/graphql' ? 'graphiql.html' : path)
      if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return res.writeHead(404).end()
      const own = path === '/graphql' ? (graphiqlHeaders['content-security-policy'] ?? '') : policy
      res.writeHead(200, { 'content-type': types[extname(file)] ?? 'application/octet-stream', 'content-security-policy': own })
      res.end(readFileSync(file))
    })
  }

  /** @param port to come back where a server was before */
  static async start(folder: string, port = 0): Promise<PageServer> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    return new PageServer(server, folder)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(asked: Asked): unknown {
    this.asked.push(asked)
    const { query, variables } = asked
    if (query.startsWith('query Complete')) {
      const search = String(variables.search).toLowerCase()
      const nodes = this.metrics
        .filter((name) => name.toLowerCase().includes(search))
        .map((name) => ({ name, type: 'GAUGE', help: `What ${name} tells.` }))
      return { data: { metrics: { nodes } } }
    }
    const errors: unknown[] = []
    const field = <T>(name: string, expr: string, make: (expr: string) => T): T | null => {
      const message = this.refuse(expr)
      if (message === null) return make(expr)
      errors.push({ message, path: [name], extensions: { code: 'BAD_USER_INPUT' } })
      return null
    }
    const range = (expr: string) => this.#range(expr, variables)
    if (query.startsWith('query Explore')) {
      const expr = String(variables.query)
      return { data: { range: field('range', expr, range), instant: field('instant', expr, (one) => this.#instant(one)) }, errors }
    }
    const data: Record<string, unknown> = {
      server: {
        version: '0.1.0',
        now: Date.now(),
        freshness: { asOf: 'p0_0.1z_1.2k_2.m4_3.7', ageMs: 0 },
        topics: [{ name: 'tidemark.samples', lagRecords: this.lagRecords, depthRecords: 4000 }],
      },
      some: { nodes: this.metrics.slice(0, 4).map((name) => ({ name })) },
      newest: { result: { series: this.lines('node_load1').length > 0 ? [{ value: Date.now() / 1000 - 1.2 }] : [] } },
    }
    for (const [name, expr] of Object.entries(variables)) if (/^q\d+$/.test(name)) data[name] = field(name, String(expr), range)
    return { data, errors }
  }

  #range(expr: string, { start, end, step }: Record<string, unknown>) {
    const timestamps: number[] = []
    for (let ms = Number(start); ms <= Number(end); ms += Number(step)) timestamps.push(ms)
    const series = this.lines(expr).map(([labels, at]) => ({
      labels: Object.entries(labels).map(([name, value]) => ({ name, value })),
      text: textOf(labels),
      values: timestamps.map(at),
    }))
    return { timestamps, series, seriesTotal: series.length, warnings: [], infos: [] }
  }

  #instant(expr: string) {
    const series = this.lines(expr).map(([labels, at]) => ({ text: textOf(labels), value: at(Date.now()) }))
    return { seriesTotal: series.length, warnings: [], infos: [], result: { __typename: 'VectorResult', series } }
  }
}

function textOf(labels: Record<string, string>): string {
  const { __name__: name = '', ...others } = labels
  return `${name}{${Object.entries(others)
    .map(([key, value]) => `${key}="${value}"`)
    .join(', ')}}`
}

/** A machine that does something. */
export function machine(expr: string): [Record<string, string>, (ms: number) => number | string | null][] {
  const wave = (base: number, swing: number, periodMs: number) => (ms: number) => base + swing * Math.sin((2 * Math.PI * ms) / periodMs)
  const by = (label: string, parts: Record<string, (ms: number) => number>): [Record<string, string>, (ms: number) => number][] =>
    Object.entries(parts).map(([value, at]) => [{ [label]: value }, at])
  if (expr.includes('node_cpu')) {
    return by('mode', {
      user: wave(22, 9, 240_000),
      system: wave(8, 3, 130_000),
      iowait: wave(2, 1.5, 90_000),
      irq: () => 0.2,
      softirq: () => 0.6,
      steal: () => 0,
      nice: () => 0,
    })
  }
  if (expr.includes('MemTotal')) return [[{}, wave(5.2e9, 2e8, 400_000)]]
  if (expr.includes('MemAvailable')) return [[{}, wave(7.4e9, -2e8, 400_000)]]
  if (expr.includes('MemFree')) return [[{}, () => 3.1e9]]
  if (expr.includes('receive')) return [[{}, wave(240_000, 120_000, 200_000)]]
  if (expr.includes('transmit')) return [[{}, wave(90_000, 40_000, 170_000)]]
  if (expr.includes('disk_read')) return [[{}, wave(12_000, 11_000, 300_000)]]
  if (expr.includes('disk_written')) return [[{}, wave(900_000, 500_000, 60_000)]]
  if (expr.includes('http_requests'))
    return by('handler', { '/graphql': wave(0.6, 0.2, 60_000), '/api/v1/write': wave(2, 0.1, 90_000), '/metrics': () => 0.2 })
  if (expr.includes('0.99')) return [[{}, wave(0.012, 0.006, 60_000)]]
  if (expr.includes('0.5,')) return [[{}, wave(0.0021, 0.0003, 60_000)]]
  if (expr.includes('ingest_samples')) return by('result', { accepted: wave(1250, 200, 120_000), rejected: () => 0 })
  if (expr.includes('lag_records')) return partitions(() => 0)
  if (expr.includes('end_offset')) return partitions((partition) => 900 + 120 * partition)
  if (expr.includes('up'))
    return [
      [{ __name__: 'up', job: 'node' }, () => 1],
      [{ __name__: 'up', job: 'tidemark' }, () => 1],
    ]
  return [[{ __name__: 'node_load1', job: 'node' }, wave(0.8, 0.4, 300_000)]]
}

function partitions(value: (partition: number) => number): [Record<string, string>, (ms: number) => number][] {
  return [0, 1, 2, 3].map((partition) => [
    { topic: 'tidemark.samples', partition: String(partition) },
    (ms) => value(partition) + ((ms / 5000) % 40),
  ])
}

export function nothing(): [] {
  return []
}
