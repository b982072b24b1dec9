import { S3Client } from '@aws-sdk/client-s3'
import type { S3Settings } from './settings.ts'

const CONNECT_MS_MAX = 5_000
/** Of silence on a connection. */
const SILENCE_MS_MAX = 30_000
const REQUEST_MS_MAX = 120_000
const SOCKETS_MAX = 32
/** The first one included; between them the SDK waits, longer each time, with chance in it. */
const ATTEMPTS_MAX = 5

/** Retries what may pass (throttling, 5xx, timeouts, broken connections); every request that goes through it is idempotent. */
export function createClient({ endpoint, region, pathStyle, credentials }: S3Settings): S3Client {
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX, maxFreeSockets: 8 }
  return new S3Client({
    region,
    forcePathStyle: pathStyle,
    maxAttempts: ATTEMPTS_MAX,
    retryMode: 'standard',
    // Checksums of what is sent come from us, faster; those of what is read are asked for where all of an object is.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS_MAX,
      socketTimeout: SILENCE_MS_MAX,
      requestTimeout: REQUEST_MS_MAX,
      throwOnRequestTimeout: true,
      httpAgent: agent,
      httpsAgent: agent,
    },
    ...(endpoint !== null && { endpoint }),
    ...(credentials !== null && { credentials: { ...credentials } }),
  })
}
