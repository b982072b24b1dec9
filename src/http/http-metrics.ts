import { counter, gauge, histogram } from '../telemetry/metrics.ts'

const requests = counter('tidemark_http_requests_total', 'HTTP requests answered.', ['handler', 'method', 'code'])
const durations = histogram(
  'tidemark_http_request_duration_seconds',
  'From the first byte of a request to the last of its answer.',
  ['handler'],
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
)
export const inFlight = gauge('tidemark_http_requests_in_flight', 'HTTP requests being answered.')

type Child<T> = { labels: (...values: string[]) => T }
const requestChildren = new Map<string, ReturnType<typeof requests.labels>>()
const durationChildren = new Map<string, ReturnType<typeof durations.labels>>()

/** Counts an answered request, without making a label object each time. */
export function countRequest(handler: string, method: string, code: number, seconds: number): void {
  child(requestChildren, `${handler} ${method} ${code}`, requests, handler, method, String(code)).inc()
  child(durationChildren, handler, durations, handler).observe(seconds)
}

function child<T>(children: Map<string, T>, key: string, metric: Child<T>, ...values: string[]): T {
  let known = children.get(key)
  if (known === undefined) {
    known = metric.labels(...values)
    children.set(key, known)
  }
  return known
}
