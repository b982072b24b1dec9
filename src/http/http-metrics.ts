import type { Socket } from 'node:net'
import { counter, gauge, histogram } from '../telemetry/metrics.ts'

const requests = counter('tidemark_http_requests_total', 'HTTP requests answered.', ['handler', 'method', 'code'])
const durations = histogram(
  'tidemark_http_request_duration_seconds',
  'From the first byte of a request to the last of its answer.',
  ['handler'],
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
)
const received = counter('tidemark_http_received_bytes_total', 'Bytes that came in with requests, headers among them.', ['handler'])
const sent = counter('tidemark_http_sent_bytes_total', 'Bytes that went out with answers, headers among them.', ['handler'])
export const inFlight = gauge('tidemark_http_requests_in_flight', 'HTTP requests being answered.')

/** What one handler counts, its children looked up once. */
interface HandlerCounts {
  readonly duration: ReturnType<typeof durations.labels>
  readonly received: ReturnType<typeof received.labels>
  readonly sent: ReturnType<typeof sent.labels>
  /** By method and code. */
  readonly requests: Map<string, ReturnType<typeof requests.labels>>
}

const handlers = new Map<string, HandlerCounts>()
/** Bytes of a connection that requests before have been counted with. */
const counted = new WeakMap<Socket, { received: number; sent: number }>()

/** Counts an answered request, without making a label object each time. */
export function countRequest(handler: string, method: string, code: number, seconds: number, socket: Socket): void {
  const counts = countsOf(handler)
  const key = `${method} ${code}`
  let answered = counts.requests.get(key)
  if (answered === undefined) counts.requests.set(key, (answered = requests.labels(handler, method, String(code))))
  answered.inc()
  counts.duration.observe(seconds)
  const { bytesRead, bytesWritten } = socket
  const before = counted.get(socket)
  counts.received.inc(bytesRead - (before?.received ?? 0))
  counts.sent.inc(bytesWritten - (before?.sent ?? 0))
  counted.set(socket, { received: bytesRead, sent: bytesWritten })
}

function countsOf(handler: string): HandlerCounts {
  let counts = handlers.get(handler)
  if (counts === undefined) {
    counts = {
      duration: durations.labels(handler),
      received: received.labels(handler),
      sent: sent.labels(handler),
      requests: new Map(),
    }
    handlers.set(handler, counts)
  }
  return counts
}
