import { promisify } from 'node:util'
import { constants as zlib, zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } from 'node:zlib'
import kafkajs, { type Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { KafkaSettings } from './settings.ts'

// What it exports Node can't tell by name.
const { CompressionCodecs, CompressionTypes, logLevel } = kafkajs

const SMALL_BYTES = 16 * 1024
const CONNECT_MS_MAX = 3000
const REQUEST_MS_MAX = 15_000

// kafkajs brings gzip alone; zstd is in Node. Registered once, for all clients of the process.
const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const level = { params: { [zlib.ZSTD_c_compressionLevel]: 1 } }
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  // Of a small batch the way to another thread and back costs more than the work.
  compress: async ({ buffer }: { buffer: Buffer }) =>
    buffer.length <= SMALL_BYTES ? zstdCompressSync(buffer, level) : compress(buffer, level),
  decompress: async (buffer: Buffer) => (buffer.length <= SMALL_BYTES ? zstdDecompressSync(buffer) : decompress(buffer)),
})

export const compressionOf = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, zstd: CompressionTypes.ZSTD } as const

/** kafkajs sets timers that lie in the past, which Node 24 takes as 1 ms and warns of each time a process first does so: it harms nothing. */
const emitWarning = process.emitWarning.bind(process) as (...rest: unknown[]) => void
process.emitWarning = (...rest: unknown[]) => {
  if (rest[1] !== 'TimeoutNegativeWarning') emitWarning(...rest)
}

/** A client of the brokers; nothing is sent before it is used. Its own log lines go to `logger`, those that tell of passing trouble as debug. */
export function connectKafka(settings: KafkaSettings, clientId: string, logger: Logger): Kafka {
  const { brokers, tls, sasl } = settings
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers],
    connectionTimeout: CONNECT_MS_MAX,
    requestTimeout: REQUEST_MS_MAX,
    ssl: tls === null ? false : { ...tls, rejectUnauthorized: true },
    ...(sasl !== null && { sasl: saslOf(sasl) }),
    retry: { initialRetryTime: 100, maxRetryTime: 2000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: () => {
      return ({ log }) => {
        const { message, error } = log
        logger.debug({ kafka: message, ...(typeof error === 'string' && { error }) }, 'the Kafka client says')
      }
    },
  })
}

/** kafkajs wants each mechanism as a type of its own. */
function saslOf({ mechanism, username, password }: NonNullable<KafkaSettings['sasl']>) {
  switch (mechanism) {
    case 'plain':
      return { mechanism, username, password }
    case 'scram-sha-256':
      return { mechanism, username, password }
    case 'scram-sha-512':
      return { mechanism, username, password }
  }
}

/** The name of a topic at the brokers: the prefix of the settings in place of `tidemark`. */
export function kafkaTopic(settings: KafkaSettings, topic: string): string {
  return topic.replace(/^tidemark/, settings.topicPrefix)
}

const REFUSED: Readonly<Record<string, readonly [code: string, remedy: string]>> = {
  UNKNOWN_TOPIC_OR_PARTITION: ['KAFKA_TOPIC_MISSING', 'run `tidemark migrate` with this configuration first'],
  TOPIC_AUTHORIZATION_FAILED: ['KAFKA_NOT_AUTHORIZED', 'the user of engines.kafka.sasl needs Read, Write and Describe on the topics'],
  INVALID_TOPIC_EXCEPTION: ['KAFKA_TOPIC_NAME', 'choose another engines.kafka.topic_prefix: letters, digits, ., _ and -'],
  GROUP_AUTHORIZATION_FAILED: ['KAFKA_NOT_AUTHORIZED', 'the user of engines.kafka.sasl needs Read on the group'],
  CLUSTER_AUTHORIZATION_FAILED: ['KAFKA_NOT_AUTHORIZED', 'the user of engines.kafka.sasl needs IdempotentWrite on the cluster'],
  SASL_AUTHENTICATION_FAILED: ['KAFKA_AUTH', 'check engines.kafka.sasl'],
  INVALID_REPLICATION_FACTOR: ['KAFKA_REPLICATION', 'set engines.kafka.replication to at most the number of brokers'],
  POLICY_VIOLATION: [
    'KAFKA_POLICY',
    "the brokers' policy forbids it: make the topics as docs/asyncapi.yaml describes them, or change the policy",
  ],
  MESSAGE_TOO_LARGE: ['KAFKA_TOO_LARGE', 'raise max.message.bytes of the topic'],
  RECORD_LIST_TOO_LARGE: ['KAFKA_TOO_LARGE', 'raise max.message.bytes of the topic'],
}

/** By the codes of TLS: a certificate that is not trusted, not valid now, of another host, or one of ours that is refused. */
const TLS_CODES = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|ERR_SSL|ERR_OSSL|HOSTNAME_MISMATCH/

/** Node adds how Node is to be started. */
function withoutAdvice(message: string): string {
  return message.replace(/; if the root CA .*$/, '')
}

/** Of several things that failed at once, such as topics that can't be made, the first. */
function causeOf(error: Error): unknown {
  return 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause
}

/** What the client says, in our words. `retryable` where trying again makes sense. */
export function kafkaError(error: unknown, settings: KafkaSettings, doing: string): EngineError {
  if (error instanceof EngineError) return error
  const at = `kafka at ${settings.brokers.join(', ')}`
  for (let cause: unknown = error; cause instanceof Error; cause = causeOf(cause)) {
    const type = 'type' in cause && typeof cause.type === 'string' ? cause.type : ''
    if ('code' in cause && typeof cause.code === 'string' && TLS_CODES.test(cause.code)) {
      const message = `${doing}: ${at}: ${withoutAdvice(cause.message)} (${cause.code}); check engines.kafka.tls and the brokers' certificates`
      return new EngineError('KAFKA_TLS', message, { retryable: false, cause: error })
    }
    const known = REFUSED[type] ?? (/SASL|authenticat/i.test(cause.name + cause.message) ? REFUSED.SASL_AUTHENTICATION_FAILED : undefined)
    if (known === undefined) continue
    const [code, remedy] = known
    return new EngineError(code, `${doing}: ${at}: ${cause.message}; ${remedy}`, { retryable: false, cause: error })
  }
  const message = error instanceof Error ? error.message : String(error)
  return new EngineError(
    'KAFKA_UNAVAILABLE',
    `${doing}: ${at}: ${message}; are the brokers running there, and do engines.kafka.tls and sasl suit that port?`,
    {
      retryable: true,
      cause: error,
    },
  )
}
