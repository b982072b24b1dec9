import type { Clock } from '../domain/ports/clock.ts'
import { counter, gauge, histogram } from '../telemetry/metrics.ts'
import { QueryError } from './query-service.ts'

/** What a query asks for, as its metrics say. */
export type QueryKind = 'instant' | 'range' | 'series' | 'label_names' | 'label_values'

const requests = counter('tidemark_query_requests_total', 'Queries answered, by kind and by "ok" or the error code.', ['kind', 'result'])
const seconds = histogram(
  'tidemark_query_duration_seconds',
  'Time from a query to its answer, waiting included.',
  ['kind'],
  [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120],
)
const samplesRead = counter('tidemark_query_samples_read_total', 'Samples that queries read.')
const queued = gauge('tidemark_query_queue_length', 'Queries that wait for a worker.')
const workersReplaced = counter('tidemark_query_workers_replaced_total', 'Query workers ended and started anew, by cause.', ['cause'])

/** Runs a query and counts it. */
export async function measured<Result>(kind: QueryKind, clock: Clock, run: () => Promise<Result>): Promise<Result> {
  const startedMs = clock.monotonicMs()
  let result = 'ok'
  try {
    return await run()
  } catch (error) {
    result = error instanceof QueryError ? error.code : 'internal'
    throw error
  } finally {
    requests.inc({ kind, result })
    seconds.observe({ kind }, (clock.monotonicMs() - startedMs) / 1000)
  }
}

export function countSamplesRead(count: number): void {
  samplesRead.inc(count)
}

export function setQueueLength(count: number): void {
  queued.set(count)
}

export function countWorkerReplaced(cause: 'stuck' | 'crashed'): void {
  workersReplaced.inc({ cause })
}
