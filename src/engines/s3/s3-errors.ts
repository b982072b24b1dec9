import { CorruptionError, EngineError } from '../../domain/errors.ts'

/** What Amazon's SDK throws, as far as it is looked at. */
export interface S3Failure {
  readonly name: string
  readonly message: string
  /** `null`: there was no answer. */
  readonly status: number | null
  /** How often it was tried; 1 when that is not known. */
  readonly attempts: number
}

const UNKNOWN_KEY = new Set([
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'ExpiredTokenException',
  'InvalidToken',
  'TokenRefreshRequired',
  'CredentialsProviderError',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
])
const PASSING = new Set(['SlowDown', 'RequestTimeout', 'TimeoutError', 'InternalError', 'ServiceUnavailable', 'OperationAborted'])
const OTHER_REGION = new Set(['PermanentRedirect', 'AuthorizationHeaderMalformed', 'IllegalLocationConstraintException'])

export function failureOf(error: unknown): S3Failure {
  const found: { name?: unknown; message?: unknown; $metadata?: { httpStatusCode?: unknown; attempts?: unknown } } =
    typeof error === 'object' && error !== null ? error : {}
  const status = found.$metadata?.httpStatusCode
  const attempts = found.$metadata?.attempts
  return {
    name: String(found.name ?? 'unknown error'),
    message: String(found.message ?? error),
    status: typeof status === 'number' ? status : null,
    attempts: typeof attempts === 'number' ? attempts : 1,
  }
}

/** No such object. */
export function isAbsence(error: unknown): boolean {
  const { name, status } = failureOf(error)
  return status === 404 && name !== 'NoSuchBucket'
}

/** @param what what was tried, as in `object "a" can't be read` */
export function translated(s3Bucket: string, what: string, error: unknown): EngineError {
  if (error instanceof EngineError) return error
  const { name, message, status } = failureOf(error)
  const met = `s3 bucket ${s3Bucket}: ${what}: ${name === message || name === 'Error' ? '' : `${name}: `}${message}${status === null ? '' : ` (${status})`}`
  const of = (code: string, advice: string, retryable = false) =>
    new EngineError(code, `${met}${advice && `; ${advice}`}`, { retryable, cause: error })
  if (/^checksum mismatch/i.test(message)) return new CorruptionError(`${met}; what is stored is not what was written`, { cause: error })
  if (name === 'NoSuchBucket') return of('S3_NO_BUCKET', 'make the bucket, or name another one in engines.s3.bucket')
  if (UNKNOWN_KEY.has(name)) return of('S3_AUTH', 'check engines.s3.access_key_id and secret_access_key: the store does not accept them')
  if (name === 'RequestTimeTooSkewed') return of('S3_AUTH', "this machine's clock is wrong by more than the store allows: set it")
  if (OTHER_REGION.has(name) || status === 301) return of('S3_REGION', 'the bucket is elsewhere: check engines.s3.region and endpoint')
  if (status === 403 || name === 'AccessDenied')
    return of('S3_DENIED', 'allow it to this access key in the policy of the user or of the bucket')
  if (PASSING.has(name) || status === null || status >= 500 || status === 408 || status === 429) {
    return of('S3_UNAVAILABLE', status === null ? 'is engines.s3.endpoint right, and the store up?' : '', true)
  }
  return of('S3_FAILED', '')
}
