import type { GraphQLError } from 'graphql'
import { counter, histogram } from '../telemetry/metrics.ts'
import { errorCode } from './errors.ts'

export type OperationType = 'query' | 'mutation' | 'subscription' | 'unknown'

const requests = counter(
  'tidemark_graphql_requests_total',
  'GraphQL operations that have ended, by their type and result: ok, or the code of the first error.',
  ['operation_type', 'result'],
)

const durations = histogram(
  'tidemark_graphql_request_duration_seconds',
  'From the start of a GraphQL operation to its answer, in seconds; subscriptions are left out.',
  ['operation_type'],
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120],
)

/** Counts one operation. `durationMs` null: it is no time to first answer. */
export function countOperation(type: OperationType, errors: readonly GraphQLError[] | undefined, durationMs: number | null): void {
  const error = errors?.[0]
  requests.inc({ operation_type: type, result: error ? errorCode(error) : 'ok' })
  if (durationMs !== null) durations.observe({ operation_type: type }, durationMs / 1000)
}
