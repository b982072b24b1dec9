import { EngineError } from '../domain/errors.ts'
import { PromqlExecutionError, PromqlLimitError, PromqlParseError } from '../promql/errors.ts'
import { QueryError } from './query-service.ts'

/** What went wrong, as front doors report it. */
export function asQueryError(error: unknown): QueryError {
  if (error instanceof QueryError) return error
  const message = messageOf(error)
  const options = { cause: error }
  if (error instanceof PromqlParseError) return new QueryError('bad_data', message, options)
  if (error instanceof PromqlExecutionError) return new QueryError('execution', message, options)
  if (error instanceof PromqlLimitError) return new QueryError('limit', message, options)
  if (error instanceof EngineError) return new QueryError(error.retryable ? 'unavailable' : 'internal', message, options)
  if (error instanceof RangeError && message.includes('call stack')) {
    return new QueryError('limit', 'the expression is nested too deeply to be evaluated', options)
  }
  return new QueryError('internal', message, options)
}

/** Errors that come from another thread need not be of this one's class. */
export function messageOf(error: unknown): string {
  const isError = typeof error === 'object' && error !== null && 'message' in error
  return isError && typeof error.message === 'string' ? error.message : String(error)
}
