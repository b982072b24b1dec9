import { z } from 'zod'
import { limits } from '../domain/limits.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../domain/time.ts'
import { boolean, bytes, cidr, duration, integer, list, oneOf, secret, section, text } from './values.ts'

export const roles = ['collect', 'ingest', 'project', 'evaluate', 'notify', 'tier', 'query'] as const
export type Role = (typeof roles)[number]

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** What a token allows: send samples; query; everything an operator does (seal, replay, ...). */
export const scopes = ['read', 'write', 'operate'] as const
export type Scope = (typeof scopes)[number]

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const path = text('a path', (met) => !/[\x00-\x1f]/.test(met))
const origin = text('an origin such as "https://grafana.example.org"', (met) => URL.canParse(met) && new URL(met).origin === met)
const hostName = text('a host name, without port', (met) => /^[A-Za-z0-9.:[\]_-]+$/.test(met))
const interval = duration('100ms', '1d')

const token = section({
  name: text('a name'),
  token: secret.optional(),
  token_file: path.optional(),
  scopes: list(oneOf(scopes)).default([...scopes]),
  cidrs: list(cidr).default([]),
}).refine((met) => (met.token === undefined) !== (met.token_file === undefined), { error: 'expected either token or token_file' })

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const isPlain = (met: string) => /^[^\x00-\x1f]+$/.test(met)
const plain = (expected: string) => text(expected, isPlain)
const hostPort = text('host:port', (met) => /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/.test(met))
const contactPoint = text('host or host:port', (met) => /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(met))
const word = (expected: string) => text(expected, (met) => /^[A-Za-z][A-Za-z0-9_]{0,47}$/.test(met))
const copies = z.union([z.literal('auto'), integer(1, 10)], { error: 'expected auto or a whole number from 1 to 10' }).default('auto')
/** A secret that may hold any character; its message keeps to itself what was met. */
const password = z.string({ error: 'expected a password' }).refine(isPlain, { error: 'expected a password without control characters' })
const clientTls = section({ ca_file: path.optional(), cert_file: path.optional(), key_file: path.optional() })

const kafka = section({
  brokers: list(hostPort),
  topic_prefix: text('a name of letters, digits, dots, dashes and underscores', (met) => /^[A-Za-z0-9._-]{1,100}$/.test(met)).default(
    'tidemark',
  ),
  replication: copies,
  retention: duration('2h', '1y').default(7 * DAY_MS),
  compression: oneOf(['none', 'gzip', 'zstd'] as const).default('zstd'),
  session_timeout: duration('6s', '5m').default(10 * SECOND_MS),
  tls: clientTls.optional(),
  sasl: section({
    mechanism: oneOf(['plain', 'scram-sha-256', 'scram-sha-512'] as const),
    username: plain('a user name'),
    password: password.optional(),
    password_file: path.optional(),
  })
    .refine((met) => (met.password === undefined) !== (met.password_file === undefined), {
      error: 'expected either password or password_file',
    })
    .optional(),
})

const cassandra = section({
  contact_points: list(contactPoint),
  data_center: plain('the name of a data centre').default('datacenter1'),
  keyspace: word('a name of letters, digits and underscores').default('tidemark'),
  replication: copies,
  consistency: oneOf(['local_quorum', 'quorum', 'local_one', 'one', 'all'] as const).default('local_quorum'),
  tls: clientTls.optional(),
  username: plain('a user name').optional(),
  password: password.optional(),
  password_file: path.optional(),
}).refine((met) => (met.username === undefined) === (met.password === undefined && met.password_file === undefined), {
  error: 'expected username and password (or password_file) together',
})

const s3 = section({
  endpoint: text('a URL such as "http://127.0.0.1:9000"', (met) => URL.canParse(met) && /^https?:/.test(met)).optional(),
  region: plain('a region').default('us-east-1'),
  bucket: plain('the name of a bucket'),
  prefix: plain('a prefix of keys').optional(),
  path_style: boolean.default(false),
  access_key_id: plain('an access key').optional(),
  secret_access_key: password.optional(),
  secret_access_key_file: path.optional(),
}).refine(
  (met) => (met.access_key_id === undefined) === (met.secret_access_key === undefined && met.secret_access_key_file === undefined),
  {
    error: 'expected access_key_id and secret_access_key (or secret_access_key_file) together',
  },
)

/** The YAML file, in the order that docs/configuration.md explains it. What it leaves out has its default here. */
export const fileSchema = section({
  host: hostName.default('127.0.0.1'),
  port: integer(0, 65_535).default(4000),
  data_dir: path.default('./data'),
  roles: list(oneOf(roles)).default([...roles]),
  log_level: oneOf(logLevels).default('info'),
  partitions: integer(1, 256).optional(),
  query_workers: integer(1, 64).default(2),
  tls: section({ cert_file: path, key_file: path }).optional(),
  engines: section({ kafka: kafka.optional(), cassandra: cassandra.optional(), s3: s3.optional() }).optional(),
  security: section({
    tokens: z.array(token).default([]),
    senders: list(cidr).default([]),
    allowed_origins: list(origin).default([]),
    allowed_hosts: list(hostName).default([]),
  }).prefault({}),
  limits: section({
    future_tolerance: duration('1s', '1d').default(limits.futureMsMax),
    raw_retention: duration('4h', '10y').default(limits.rawRetentionMs),
    log_retention: duration('2h', '1y').default(limits.logRetentionMs),
    log_bytes: bytes(64 * 2 ** 20).default(limits.logBytesMax),
    series: integer(1000, 15_000_000).default(limits.indexSeriesMax),
    head_memory: bytes(64 * 2 ** 20).default(limits.headBytesMax),
    body_bytes: bytes(1024).default(limits.bodyBytesMax),
    decompressed_bytes: bytes(1024).default(limits.decompressedBytesMax),
    series_per_sender: integer(1, 1e9).default(limits.seriesPerSenderMax),
    series_per_request: integer(1, 1e9).default(limits.seriesPerRequestMax),
    labels_per_series: integer(1, 1000).default(limits.labelsPerSeriesMax),
    label_name_bytes: integer(1, 65_535).default(limits.labelNameBytesMax),
    label_value_bytes: integer(1, 65_535).default(limits.labelValueBytesMax),
    query_timeout: duration('10ms', '1d').default(limits.queryTimeoutMs),
    query_samples: integer(1, 1e12).default(limits.querySamplesMax),
    query_series: integer(1, 1e9).default(limits.querySeriesMax),
    query_lookback: duration('1s', '1d').default(limits.lookbackMs),
  }).prefault({}),
  agent: section({ enabled: boolean.default(false), interval: interval.default(10 * SECOND_MS) }).prefault({}),
  self_scrape: section({ enabled: boolean.default(false), interval: interval.default(10 * SECOND_MS) }).prefault({}),
  global: section({
    scrape_interval: interval.default(MINUTE_MS),
    scrape_timeout: duration('10ms', '1d').optional(),
    evaluation_interval: interval.default(MINUTE_MS),
    external_labels: z.record(z.string(), z.coerce.string()).default({}),
  }).prefault({}),
  scrape_configs: z.array(z.unknown(), { error: 'expected a list' }).default([]),
})

export type FileSettings = z.output<typeof fileSchema>

/** Settings that the environment can carry: TIDEMARK_ and the path in capitals, dots as underscores. */
export const environmentPaths = [
  ...['host', 'port', 'data_dir', 'roles', 'log_level', 'partitions', 'query_workers', 'tls.cert_file', 'tls.key_file'],
  ...['security.senders', 'security.allowed_origins', 'security.allowed_hosts'],
  ...['future_tolerance', 'raw_retention', 'log_retention', 'log_bytes', 'series', 'head_memory', 'body_bytes', 'decompressed_bytes'].map(
    (name) => `limits.${name}`,
  ),
  ...['series_per_sender', 'series_per_request', 'labels_per_series', 'label_name_bytes', 'label_value_bytes'].map(
    (name) => `limits.${name}`,
  ),
  ...['query_timeout', 'query_samples', 'query_series', 'query_lookback'].map((name) => `limits.${name}`),
  ...['agent.enabled', 'agent.interval', 'self_scrape.enabled', 'self_scrape.interval'],
  ...['global.scrape_interval', 'global.scrape_timeout', 'global.evaluation_interval'],
  ...['brokers', 'topic_prefix', 'replication', 'retention', 'compression', 'session_timeout'].map((name) => `engines.kafka.${name}`),
  ...['tls.ca_file', 'tls.cert_file', 'tls.key_file'].flatMap((name) => [`engines.kafka.${name}`, `engines.cassandra.${name}`]),
  ...['mechanism', 'username', 'password', 'password_file'].map((name) => `engines.kafka.sasl.${name}`),
  ...['contact_points', 'data_center', 'keyspace', 'replication', 'consistency', 'username', 'password', 'password_file'].map(
    (name) => `engines.cassandra.${name}`,
  ),
  ...['endpoint', 'region', 'bucket', 'prefix', 'path_style', 'access_key_id', 'secret_access_key', 'secret_access_key_file'].map(
    (name) => `engines.s3.${name}`,
  ),
] as const
