import { QueryError } from '../query/query-service.ts'

/** `errorType` of the Prometheus HTTP API. */
export type ApiErrorType = 'bad_data' | 'execution' | 'timeout' | 'canceled' | 'internal' | 'unavailable' | 'not_found' | 'not_acceptable'

const STATUS: Readonly<Record<ApiErrorType, number>> = {
  bad_data: 400,
  execution: 422,
  timeout: 503,
  canceled: 499,
  internal: 500,
  unavailable: 503,
  not_found: 404,
  not_acceptable: 406,
}

/** An answer of the API that is an error. */
export class ApiError extends Error {
  readonly type: ApiErrorType

  constructor(type: ApiErrorType, message: string) {
    super(message)
    this.name = 'ApiError'
    this.type = type
  }

  get status(): number {
    return STATUS[this.type]
  }

  body(): string {
    return JSON.stringify({ status: 'error', errorType: this.type, error: this.message })
  }
}

/** @param parameter the parameter that a bad query stood in */
export function apiErrorOf(error: unknown, parameter = 'query'): ApiError {
  if (error instanceof ApiError) return error
  if (!(error instanceof QueryError)) return new ApiError('internal', 'internal error')
  switch (error.code) {
    case 'bad_data':
      return new ApiError(
        'bad_data',
        error.message.startsWith('invalid parameter') ? error.message : `invalid parameter ${JSON.stringify(parameter)}: ${error.message}`,
      )
    case 'execution':
    case 'limit':
      return new ApiError('execution', error.message)
    case 'timeout':
    case 'canceled':
      return new ApiError(error.code, error.message)
    case 'position-unknown':
      return new ApiError('bad_data', error.message)
    case 'position-timeout':
    case 'unavailable':
      return new ApiError('unavailable', error.message)
    case 'internal':
      return new ApiError('internal', error.message)
  }
}
