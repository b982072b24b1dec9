import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import cassandra from 'cassandra-driver'
import { EngineError } from '../../domain/errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { CassandraSettings } from './settings.ts'

const PORT = 9042
const CONNECT_MS_MAX = 5000
const READ_MS_MAX = 12_000
/** Of answers that say: not now. */
const { responseErrorCodes } = cassandra.types
const PASSING_CODES: ReadonlySet<number> = new Set([
  responseErrorCodes.serverError,
  responseErrorCodes.unavailableException,
  responseErrorCodes.overloaded,
  responseErrorCodes.isBootstrapping,
  responseErrorCodes.writeTimeout,
  responseErrorCodes.readTimeout,
  responseErrorCodes.readFailure,
  responseErrorCodes.writeFailure,
])
/** The outcome of a compare-and-set is not known; newer than the driver's own list. */
const CAS_WRITE_UNKNOWN = 0x1700

const { consistencies } = cassandra.types
export const consistencyOf = {
  local_quorum: consistencies.localQuorum,
  quorum: consistencies.quorum,
  local_one: consistencies.localOne,
  one: consistencies.one,
  all: consistencies.all,
} as const

/** Of compare-and-sets and of the reads that find out what became of them: all of one row must use the same. */
export function serialConsistencyOf(consistency: CassandraSettings['consistency']): cassandra.types.consistencies {
  return consistency === 'quorum' || consistency === 'all' ? consistencies.serial : consistencies.localSerial
}

/** Of reads that must see the last compare-and-set that succeeded, whatever suffices for others. */
export function swappedConsistencyOf(consistency: CassandraSettings['consistency']): cassandra.types.consistencies {
  return consistency === 'one' || consistency === 'local_one' ? consistencies.localQuorum : consistencyOf[consistency]
}

/**
 * Connects: prepared statements, each sent to a node that holds its partition, in the data centre of the settings.
 * @param keyspace `null` for what concerns keyspaces themselves
 * @throws EngineError that says what to do
 */
export async function connectCassandra(settings: CassandraSettings, keyspace: string | null, logger: Logger): Promise<cassandra.Client> {
  const { contactPoints, dataCenter, consistency, tls, auth } = settings
  const { loadBalancing, reconnection, retry } = cassandra.policies
  const client = new cassandra.Client({
    contactPoints: contactPoints.map(withPort),
    localDataCenter: dataCenter,
    ...(keyspace !== null && { keyspace }),
    ...(auth !== null && { authProvider: new cassandra.auth.PlainTextAuthProvider(auth.username, auth.password) }),
    ...(tls !== null && { sslOptions: tlsOptions(tls) }),
    // Values are copied once, by the store.
    encoding: { copyBuffer: false },
    queryOptions: {
      prepare: true,
      consistency: consistencyOf[consistency],
      serialConsistency: serialConsistencyOf(consistency),
    },
    socketOptions: { connectTimeout: CONNECT_MS_MAX, readTimeout: READ_MS_MAX },
    policies: {
      loadBalancing: new loadBalancing.TokenAwarePolicy(new loadBalancing.DCAwareRoundRobinPolicy(dataCenter)),
      reconnection: new reconnection.ExponentialReconnectionPolicy(200, 5000, false),
      // The driver's own default sends everything again to the next node, a compare-and-set too, and so hides an unknown outcome.
      retry: new retry.IdempotenceAwareRetryPolicy(new retry.RetryPolicy()),
    },
    pooling: { maxRequestsPerConnection: 1024, coreConnectionsPerHost: { 0: 2, 1: 1 } },
  })
  const met = new Set<cassandra.Host>()
  client.on('hostAdd', (host: cassandra.Host) => met.add(host))
  client.on('hostDown', (host: { address: string }) => logger.warn({ host: host.address }, 'a node of Cassandra is down'))
  client.on('hostUp', (host: { address: string }) => logger.info({ host: host.address }, 'a node of Cassandra is up'))
  try {
    await client.connect()
  } catch (error) {
    await client.shutdown().catch(() => {})
    closeLeftOver(client)
    throw cassandraError(error, settings, 'connecting')
  }
  for (const host of client.hosts.values()) met.add(host)
  clients.set(client, met)
  return client
}

/** Nodes that a client has ever met. */
const clients = new WeakMap<cassandra.Client, ReadonlySet<cassandra.Host>>()

/** Closes all connections, and ends what the driver goes on doing for nodes that it has taken from its list. */
export async function closeCassandra(client: cassandra.Client): Promise<void> {
  await client.shutdown()
  // Not in the driver's types.
  for (const host of clients.get(client) ?? [])
    await (host as cassandra.Host & { shutdown?(wait: boolean): Promise<void> }).shutdown?.(false)
}

/**
 * The driver forgets the connection it asked first when what it learned there makes it fail, such as an unknown data centre; and a
 * process that is to end with a clear message would not end.
 */
function closeLeftOver(client: cassandra.Client): void {
  // Not in the driver's types.
  const { controlConnection } = client as unknown as { controlConnection?: { connection?: { close?: (done: () => void) => void } } }
  controlConnection?.connection?.close?.(() => {})
}

function withPort(point: string): string {
  if (/^\[.*\]:\d+$/.test(point) || /^[^:]+:\d+$/.test(point)) return point
  // An IPv6 address stands in brackets before a port.
  const host = point.replace(/^\[(.*)\]$/, '$1')
  return host.includes(':') ? `[${host}]:${PORT}` : `${host}:${PORT}`
}

/**
 * Nodes are asked by address, which certificates seldom name: with an authority of one's own whatever it has signed is a node. Of the
 * system's authorities anybody has a certificate, so there the address must stand in it.
 */
function tlsOptions(tls: NonNullable<CassandraSettings['tls']>): ConnectionOptions {
  return { ...tls, rejectUnauthorized: true, ...(tls.ca !== undefined && { checkServerIdentity: () => undefined }) }
}

/** What the driver says, in our words. `retryable` where trying again makes sense. */
export function cassandraError(error: unknown, settings: CassandraSettings, doing: string): EngineError {
  if (error instanceof EngineError) return error
  const at = `cassandra at ${settings.contactPoints.join(', ')}`
  const inner = innermost(error)
  const text = textOf(inner)
  const fail = (code: string, message: string, retryable = false) =>
    new EngineError(code, `${doing}: ${at}: ${message}`, { retryable, cause: error })
  if (/data ?center/i.test(text) && /localDataCenter/.test(text)) {
    return fail('CASSANDRA_DATA_CENTER', `${text}; set engines.cassandra.data_center to a name of those`)
  }
  if (inner instanceof cassandra.errors.AuthenticationError || codeOf(inner) === responseErrorCodes.badCredentials) {
    return fail('CASSANDRA_AUTH', `${text}; check engines.cassandra.username and password`)
  }
  if (codeOf(inner) === responseErrorCodes.unauthorized) {
    return fail(
      'CASSANDRA_NOT_AUTHORIZED',
      `${text}; the user of engines.cassandra needs SELECT and MODIFY, and CREATE for \`tidemark migrate\``,
    )
  }
  if (/keyspace .*does not exist/i.test(text) || /unconfigured (table|columnfamily)|table .*does not exist/i.test(text)) {
    return fail('CASSANDRA_KEYSPACE_MISSING', `${text}; run \`tidemark migrate\` with this configuration first`)
  }
  if (isTlsError(inner)) {
    return fail(
      'CASSANDRA_TLS',
      `${text.trim().replace(/; if the root CA .*$/, '')}; check engines.cassandra.tls, and whether the nodes speak TLS at that port`,
    )
  }
  if (isPassing(error))
    return fail('CASSANDRA_UNAVAILABLE', `${text}; is it running there, and are engines.cassandra.contact_points and tls right?`, true)
  return fail('CASSANDRA_REFUSED', text)
}

/** Whether the same request may succeed later. */
export function isPassing(error: unknown): boolean {
  const inner = innermost(error)
  if (inner instanceof cassandra.errors.AuthenticationError) return false
  const code = codeOf(inner)
  if (code !== null) return PASSING_CODES.has(code) || code === CAS_WRITE_UNKNOWN
  if (isTlsError(inner)) return false
  return (
    error instanceof cassandra.errors.NoHostAvailableError ||
    error instanceof cassandra.errors.OperationTimedOutError ||
    error instanceof cassandra.errors.BusyConnectionError ||
    // A bare Error of the driver, between the loss of a connection and the next.
    textOf(inner) === 'No connection available' ||
    // Set by the driver where a connection was lost before the answer came.
    fieldOf(inner, 'isSocketError') === true ||
    /^E[A-Z]+$/.test(String(fieldOf(inner, 'code')))
  )
}

/** Tries what is idempotent again, four times within some two seconds and what the tries themselves take. */
export async function retried<T>(work: () => Promise<T>, onRetry: () => void): Promise<T> {
  for (let waitMs = 50; ; waitMs *= 3) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error) || waitMs > 1500) throw error
      onRetry()
      await pause(waitMs)
    }
  }
}

/** Half of the time at least: who failed together does not come back together. */
export function pause(waitMs: number): Promise<void> {
  return delay(waitMs * (0.5 + 0.5 * Math.random()))
}

/** What a node said, where no host could be had: the first that said something. */
function innermost(error: unknown): unknown {
  if (!(error instanceof cassandra.errors.NoHostAvailableError)) return error
  const inner = Object.values((error.innerErrors ?? {}) as Record<string, unknown>)
  return inner.find((one) => fieldOf(one, 'message') !== undefined) ?? error
}

function codeOf(error: unknown): number | null {
  return error instanceof cassandra.errors.ResponseError ? Number(error.code) : null
}

/** A handshake that will not go better another time. */
function isTlsError(error: unknown): boolean {
  return /^ERR_(SSL|TLS|OSSL)_|CERT|^UNABLE_TO_|^HOSTNAME_MISMATCH$/.test(String(fieldOf(error, 'code')))
}

function textOf(error: unknown): string {
  return String(fieldOf(error, 'message') ?? error)
}

/** Not by its class: an error of Node's own may come from another realm than ours. */
function fieldOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[name] : undefined
}
