import { readFileSync } from 'node:fs'
import type { CassandraSettings } from '../engines/cassandra/settings.ts'
import type { KafkaSettings } from '../engines/kafka/settings.ts'
import type { S3Settings } from '../engines/s3/settings.ts'
import { ConfigError } from './config-error.ts'
import type { FileSettings } from './schema.ts'

/** Kafka, Cassandra and perhaps S3 in place of the data folder. */
export interface EnginesConfig {
  readonly kafka: KafkaSettings
  readonly cassandra: CassandraSettings
  /** `null`: no archive. */
  readonly s3: S3Settings | null
}

type Engines = NonNullable<FileSettings['engines']>

/** Where a setting stands, and the folder that relative paths start from. */
export interface EnginesContext {
  readonly place: (path: readonly string[]) => string
  /** The absolute path of a file that a setting names. */
  readonly absolute: (path: string, value: string) => string
}

/** @throws ConfigError when they don't go together, or a file that they name can't be read */
export function enginesOf(engines: FileSettings['engines'], context: EnginesContext): EnginesConfig | null {
  if (engines === undefined) return null
  const { kafka, cassandra, s3 } = engines
  if (kafka === undefined && cassandra === undefined && s3 === undefined) return null
  if (kafka === undefined || cassandra === undefined) {
    const [met, missing] = kafka === undefined ? ['cassandra', 'kafka'] : ['kafka', 'cassandra']
    throw new ConfigError([
      `${context.place(['engines'])}: engines: expected ${missing} too: the event log on Kafka and the blocks on Cassandra go together${kafka === undefined && cassandra === undefined ? '' : ` (met only ${met})`}`,
    ])
  }
  return { kafka: kafkaSettings(kafka, context), cassandra: cassandraSettings(cassandra, context), s3: s3Settings(s3, context) }
}

function kafkaSettings(kafka: NonNullable<Engines['kafka']>, context: EnginesContext): KafkaSettings {
  const { sasl } = kafka
  return {
    brokers: kafka.brokers,
    topicPrefix: kafka.topic_prefix,
    replication: kafka.replication,
    retentionMs: kafka.retention,
    compression: kafka.compression,
    sessionTimeoutMs: kafka.session_timeout,
    tls: tlsOf(kafka.tls, 'engines.kafka.tls', context),
    sasl:
      sasl === undefined
        ? null
        : {
            mechanism: sasl.mechanism,
            username: sasl.username,
            password: sasl.password ?? secretOf(sasl.password_file, 'engines.kafka.sasl.password_file', context),
          },
  }
}

function cassandraSettings(cassandra: NonNullable<Engines['cassandra']>, context: EnginesContext): CassandraSettings {
  const { username } = cassandra
  return {
    contactPoints: cassandra.contact_points,
    dataCenter: cassandra.data_center,
    keyspace: cassandra.keyspace.toLowerCase(),
    replication: cassandra.replication,
    consistency: cassandra.consistency,
    tls: tlsOf(cassandra.tls, 'engines.cassandra.tls', context),
    auth:
      username === undefined
        ? null
        : { username, password: cassandra.password ?? secretOf(cassandra.password_file, 'engines.cassandra.password_file', context) },
  }
}

function s3Settings(s3: Engines['s3'], context: EnginesContext): S3Settings | null {
  if (s3 === undefined) return null
  const { prefix = '', access_key_id: accessKeyId } = s3
  return {
    endpoint: s3.endpoint ?? null,
    region: s3.region,
    s3Bucket: s3.bucket,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    pathStyle: s3.path_style,
    credentials:
      accessKeyId === undefined
        ? null
        : {
            accessKeyId,
            secretAccessKey: s3.secret_access_key ?? secretOf(s3.secret_access_key_file, 'engines.s3.secret_access_key_file', context),
          },
  }
}

type ClientTls = NonNullable<Engines['kafka']>['tls']

function tlsOf(tls: ClientTls, path: string, context: EnginesContext): { ca?: string; cert?: string; key?: string } | null {
  if (tls === undefined) return null
  const { ca_file, cert_file, key_file } = tls
  return {
    ...(ca_file !== undefined && { ca: textOf(ca_file, `${path}.ca_file`, context) }),
    ...(cert_file !== undefined && { cert: textOf(cert_file, `${path}.cert_file`, context) }),
    ...(key_file !== undefined && { key: textOf(key_file, `${path}.key_file`, context) }),
  }
}

function secretOf(file: string | undefined, path: string, context: EnginesContext): string {
  return textOf(file ?? '', path, context).replace(/\r?\n$/, '')
}

function textOf(file: string, path: string, { place, absolute }: EnginesContext): string {
  const name = absolute(path, file)
  try {
    return readFileSync(name, 'utf8')
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code ?? cause)
    throw new ConfigError([`${place(path.split('.'))}: ${path}: ${name} can't be read: ${code}`], { cause })
  }
}
