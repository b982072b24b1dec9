import { GraphQLError, type GraphQLFormattedError } from 'graphql'
import { EngineError } from '../domain/errors.ts'
import type { Random } from '../domain/ports/clock.ts'
import { QueryError, type QueryErrorCode } from '../query/query-service.ts'
import type { Logger } from '../telemetry/log.ts'
import type { ErrorCode } from './schema.generated.ts'

/** Of what a caller is told when a request as a whole is refused. */
const httpStatus: Partial<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  TOO_COMPLEX: 400,
  BAD_USER_INPUT: 400,
  GRAPHQL_PARSE_FAILED: 400,
  GRAPHQL_VALIDATION_FAILED: 400,
  UNAVAILABLE: 503,
}

const byQueryError: Record<QueryErrorCode, ErrorCode> = {
  bad_data: 'BAD_USER_INPUT',
  execution: 'QUERY_FAILED',
  timeout: 'QUERY_TIMEOUT',
  // Whoever left hears nothing; who still listens was cut off by the server as it goes.
  canceled: 'UNAVAILABLE',
  limit: 'QUERY_LIMIT',
  'position-timeout': 'POSITION_TIMEOUT',
  'position-unknown': 'POSITION_UNKNOWN',
  unavailable: 'UNAVAILABLE',
  internal: 'INTERNAL',
}

/** Every code there is, and those that the libraries use for what this list calls otherwise. */
const byCode: Record<ErrorCode, ErrorCode> & Record<string, ErrorCode> = {
  BAD_USER_INPUT: 'BAD_USER_INPUT',
  GRAPHQL_PARSE_FAILED: 'GRAPHQL_PARSE_FAILED',
  GRAPHQL_VALIDATION_FAILED: 'GRAPHQL_VALIDATION_FAILED',
  QUERY_LIMIT: 'QUERY_LIMIT',
  QUERY_TIMEOUT: 'QUERY_TIMEOUT',
  QUERY_FAILED: 'QUERY_FAILED',
  POSITION_TIMEOUT: 'POSITION_TIMEOUT',
  POSITION_UNKNOWN: 'POSITION_UNKNOWN',
  UNAUTHENTICATED: 'UNAUTHENTICATED',
  FORBIDDEN: 'FORBIDDEN',
  UNAVAILABLE: 'UNAVAILABLE',
  TOO_COMPLEX: 'TOO_COMPLEX',
  INTERNAL: 'INTERNAL',
  BAD_REQUEST: 'BAD_USER_INPUT',
  OPERATION_RESOLUTION_FAILURE: 'BAD_USER_INPUT',
  PERSISTED_QUERY_NOT_FOUND: 'BAD_USER_INPUT',
  PERSISTED_QUERY_NOT_SUPPORTED: 'BAD_USER_INPUT',
}

/**
 * An error that the caller is meant to read. `whole`: it refuses the request as a whole, so its HTTP status says so too; a field's
 * error leaves the status at 200, as GraphQL over HTTP wants it.
 */
export function refusal(code: ErrorCode, message: string, options: { whole?: boolean } = {}): GraphQLError {
  return new GraphQLError(message, { extensions: { code, ...(options.whole && { http: { status: httpStatus[code] ?? 500 } }) } })
}

/** The code that an error carries to its caller. */
export function errorCode(error: GraphQLError): ErrorCode {
  const cause = rootCause(error)
  if (cause instanceof QueryError) return byQueryError[cause.code]
  if (cause instanceof EngineError) return cause.retryable ? 'UNAVAILABLE' : 'INTERNAL'
  // What graphql-js itself finds wrong has neither a cause nor a code: a variable or an argument that does not fit its type.
  if (cause instanceof GraphQLError) return byCode[String(cause.extensions.code ?? error.extensions.code ?? 'BAD_USER_INPUT')] ?? 'INTERNAL'
  return 'INTERNAL'
}

/** The one place that maps errors to what callers see, and masks what is not theirs to see. */
export class ErrorFormatter {
  readonly #log: Logger
  readonly #random: Random

  constructor(log: Logger, random: Random) {
    this.#log = log
    this.#random = random
  }

  format(error: GraphQLError): GraphQLFormattedError {
    const code = errorCode(error)
    const { locations, path } = error.toJSON()
    const place = { ...(locations && { locations }), ...(path && { path }) }
    if (code === 'INTERNAL') {
      const id = this.#logged('error', error)
      return { message: `internal error ${id}: the log of the server has the rest under this id`, ...place, extensions: { code, id } }
    }
    if (rootCause(error) instanceof EngineError) {
      const id = this.#logged('warn', error)
      return { message: `the server can't do this just now; try again later (${id})`, ...place, extensions: { code, id } }
    }
    return { message: error.message, ...place, extensions: { code } }
  }

  #logged(level: 'warn' | 'error', error: GraphQLError): string {
    const id = Buffer.from(this.#random.bytes(6)).toString('hex')
    this.#log[level]({ id, path: error.path?.join('.'), err: rootCause(error) }, 'graphql operation failed')
    return id
  }
}

function rootCause(error: Error): Error {
  let cause = error
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError
  return cause
}
