import { connect } from 'node:net'
import { EngineError } from '../../src/domain/errors.ts'
import type { WriteResult } from '../../src/domain/ports/append-samples.ts'
import type { Freshness } from '../../src/domain/ports/freshness.ts'
import type { HttpDeps, HttpLimits } from '../../src/http/deps.ts'
import type { SecuritySettings } from '../../src/http/security/policy.ts'
import { HttpServer } from '../../src/http/server.ts'
import { InProcessQueryService } from '../../src/query/in-process-query-service.ts'
import { QueryEngine } from '../../src/query/query-engine.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { MemorySeries } from '../support/memory-series.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

export const NOW_S = 1_700_000_000
const position = 'p0_0.7'

const everyTenSeconds = (value: number) => Array.from({ length: 61 }, (_, i) => [(NOW_S - 600 + 10 * i) * 1000, value] as const)

const caughtUp: Freshness = {
  pinned: () => ({ position, ageMs: 0 }),
  waitFor: async (wanted) => (wanted === position ? 'reached' : 'unknown'),
}

/** Takes whatever comes; what it says is what a test wants. */
export class FakeIngest {
  readonly bodies: Uint8Array[] = []
  readonly senders: string[] = []
  error: Error | null = null
  result: WriteResult = { acceptedSamples: 3, rejectedSamples: 0, rejected: [], position }
  /** Until it resolves nothing is answered. */
  gate: Promise<void> = Promise.resolve()

  async writeRemote(body: Uint8Array, sender: string): Promise<WriteResult> {
    this.bodies.push(body)
    this.senders.push(sender)
    await this.gate
    if (this.error) throw this.error
    return this.result
  }

  pushJson(body: Uint8Array, sender: string): Promise<WriteResult> {
    return this.writeRemote(body, sender)
  }
}

export const busy = (code: string) => new EngineError(code, 'the log is not to be had', { retryable: true })

interface Setting {
  readonly limits?: Partial<HttpLimits>
  readonly security?: Partial<SecuritySettings>
  readonly deps?: Partial<HttpDeps>
}

/** The real server on a free port, over a real query engine on series in memory, and a clock that stands still. */
export class TestServer {
  readonly clock = new VirtualClock(NOW_S * 1000)
  readonly ingest = new FakeIngest()
  readonly server: HttpServer
  port = 0

  private constructor({ limits, security, deps }: Setting) {
    const memory = new MemorySeries({
      'up{job="a",instance="x:1"}': everyTenSeconds(1),
      'up{job="b",instance="y:1"}': everyTenSeconds(0),
      'http_requests{job="a","p.q"="/"}': everyTenSeconds(5),
    })
    const engine = new QueryEngine({ reader: memory, labels: memory, freshness: caughtUp, clock: this.clock })
    this.server = new HttpServer(
      {
        roles: ['ingest', 'query', 'project'],
        ingest: this.ingest,
        queries: new InProcessQueryService(engine, this.clock),
        metadata: { metadata: async () => [{ metric: 'up', type: 'gauge', help: 'Whether it is.', unit: '' }] },
        targets: null,
        clock: this.clock,
        logger: silentLogger,
        ready: () => ({ ready: true }),
        metricsText: async () => `# ${'x'.repeat(2000)}\n`,
        seal: async () => 0,
        graphql: () => null,
        seriesCount: () => 3,
        pageDir: null,
        version: '0.1.0',
        startedAtMs: NOW_S * 1000,
        ...deps,
      },
      {
        host: '127.0.0.1',
        port: 0,
        tls: null,
        security: { host: '127.0.0.1', tokens: [], senders: [], allowedOrigins: [], allowedHosts: [], ...security },
        limits: {
          bodyBytesMax: 10_000,
          decompressedBytesMax: 20_000,
          bodyIdleMsMax: 30_000,
          appendBytesInFlightMax: 15_000,
          rawRetentionMs: 7 * 86_400_000,
          ...limits,
        },
      },
    )
  }

  static async start(setting: Setting = {}): Promise<TestServer> {
    const test = new TestServer(setting)
    test.port = (await test.server.listen()).port
    return test
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, init)
  }

  /** Sends bytes as they are; resolves with all that came back once the server has closed the connection. */
  raw(head: string, onOpen: (write: (text: string) => void) => void = () => {}): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1')
      let text = ''
      socket.on('data', (chunk) => (text += chunk))
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
      socket.write(head)
      onOpen((more) => socket.write(more))
    })
  }

  async close(): Promise<void> {
    const closed = this.server.close(0)
    await this.clock.advance(0)
    await closed
  }
}
