import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type cassandra from 'cassandra-driver'
import { EngineError } from '../../domain/errors.ts'
import type { ClusterFormed } from '../../domain/events/cluster-formed.ts'
import type { Logger } from '../../telemetry/log.ts'
import { cassandraError, closeCassandra, connectCassandra, swappedConsistencyOf } from './connection.ts'
import type { CassandraSettings } from './settings.ts'
import { createTable, tableNames } from './tables.ts'

/** Steps from one version of the schema to the next, in order. Each may run again, after it was interrupted. */
const STEPS: readonly ((client: cassandra.Client, keyspace: string) => Promise<void>)[] = [
  async (client, keyspace) => {
    for (const table of tableNames) await define(client, createTable(keyspace, table))
  },
]
export const SCHEMA_VERSION = STEPS.length
const CLUSTER = 'cluster'
const LOCK = 'migration'
/** Who has migrated for so long has died of it; his steps may be done again. */
const LOCK_SECONDS = 120
const LOCK_POLL_MS = 250
/** All nodes have to agree on a change of the schema. */
const DEFINE_MS_MAX = 60_000
/** Of a first migration that met another one making the same keyspace. */
const TRIES = 5
const TRY_WAIT_MS = 500

interface ClusterRow {
  readonly schemaVersion: number
  readonly cluster: ClusterFormed
}

/**
 * Makes keyspace and tables, or brings them up to date. Several may do so at once: one does it, the others wait for it.
 * @param wanted of a new cluster; one that stands keeps what it has
 * @throws EngineError that says what to do
 */
export async function migrateCassandra(
  settings: CassandraSettings,
  wanted: Omit<ClusterFormed, 'clusterId'>,
  logger: Logger,
): Promise<ClusterFormed> {
  const client = await connectCassandra(settings, null, logger)
  try {
    for (let tries = 1; ; tries++) {
      try {
        return await migrate(client, settings, wanted, logger)
      } catch (error) {
        const known = cassandraError(error, settings, 'migrating')
        // Two that make the same keyspace or table at once, at different nodes, may not find it for a moment.
        const isPassing = known.retryable || known.code === 'CASSANDRA_KEYSPACE_MISSING'
        if (!isPassing || tries === TRIES) throw known
        logger.warn({ error: known.message }, 'migrating failed, trying again')
        await delay(TRY_WAIT_MS * tries)
      }
    }
  } finally {
    await closeCassandra(client)
  }
}

async function migrate(
  client: cassandra.Client,
  settings: CassandraSettings,
  wanted: Omit<ClusterFormed, 'clusterId'>,
  logger: Logger,
): Promise<ClusterFormed> {
  const { keyspace, dataCenter } = settings
  const copies = wantedCopies(settings, client)
  refuseImpossible(copies, settings, client)
  await define(
    client,
    `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', ${quoted(dataCenter)}: ${copies}} AND durable_writes = true`,
  )
  await define(
    client,
    `CREATE TABLE IF NOT EXISTS ${keyspace}.cluster (name text PRIMARY KEY, cluster_id text, schema_version int, partitions int, spread int, generation int)`,
  )
  await client.execute(
    `INSERT INTO ${keyspace}.cluster (name, cluster_id, schema_version, partitions, spread, generation) VALUES (?, ?, 0, ?, ?, ?) IF NOT EXISTS`,
    [CLUSTER, randomUUID(), wanted.partitions, wanted.spread, wanted.generation],
    { consistency: swappedConsistencyOf(settings.consistency) },
  )
  const { cluster, schemaVersion } = await readRow(client, settings)
  refuseNewer(schemaVersion, keyspace)
  if (schemaVersion < SCHEMA_VERSION) await locked(client, settings, () => runSteps(client, settings, logger))
  await checkCopies(client, settings, logger)
  return cluster
}

async function runSteps(client: cassandra.Client, settings: CassandraSettings, logger: Logger): Promise<void> {
  const { keyspace } = settings
  // Whoever had the lock before may have done it all.
  const { schemaVersion } = await readRow(client, settings)
  for (let version = schemaVersion; version < SCHEMA_VERSION; version++) {
    logger.info({ keyspace, from: version, to: version + 1 }, 'changing the schema')
    await STEPS[version](client, keyspace)
    await client.execute(`UPDATE ${keyspace}.cluster SET schema_version = ? WHERE name = ? IF schema_version = ?`, [
      version + 1,
      CLUSTER,
      version,
    ])
  }
}

/** One at a time, over all machines. The lock is a cell that expires: no deletion, and nothing to clean up after a crash. */
async function locked(client: cassandra.Client, { keyspace }: CassandraSettings, work: () => Promise<void>): Promise<void> {
  const owner = randomUUID()
  const swap = (ttl: number, expected: string | null) =>
    client.execute(`UPDATE ${keyspace}.cluster USING TTL ? SET cluster_id = ? WHERE name = ? IF cluster_id = ?`, [
      ttl,
      owner,
      LOCK,
      expected,
    ])
  for (let waitedMs = 0; !(await swap(LOCK_SECONDS, null)).wasApplied(); waitedMs += LOCK_POLL_MS) {
    if (waitedMs > 2 * LOCK_SECONDS * 1000) {
      throw new EngineError('CASSANDRA_SCHEMA', `others have been migrating keyspace ${keyspace} for ${waitedMs / 1000} s`, {
        retryable: true,
      })
    }
    await delay(LOCK_POLL_MS)
  }
  try {
    await work()
  } finally {
    await swap(1, owner).catch(() => {})
  }
}

/** What `migrateCassandra` made. @throws EngineError that says what to do */
export async function readCluster(settings: CassandraSettings, logger: Logger): Promise<ClusterFormed> {
  const { keyspace } = settings
  const client = await connectCassandra(settings, keyspace, logger)
  try {
    await checkCopies(client, settings, logger)
    const { cluster, schemaVersion } = await readRow(client, settings)
    refuseNewer(schemaVersion, keyspace)
    if (schemaVersion < SCHEMA_VERSION) {
      throw new EngineError(
        'CASSANDRA_SCHEMA',
        `keyspace ${keyspace} has schema version ${schemaVersion}, this program needs ${SCHEMA_VERSION}: run \`tidemark migrate\``,
        { retryable: false },
      )
    }
    return cluster
  } catch (error) {
    throw cassandraError(error, settings, 'looking at the cluster')
  } finally {
    await closeCassandra(client)
  }
}

function refuseNewer(schemaVersion: number, keyspace: string): void {
  if (schemaVersion <= SCHEMA_VERSION) return
  throw new EngineError(
    'CASSANDRA_SCHEMA',
    `keyspace ${keyspace} has schema version ${schemaVersion}, this program knows versions up to ${SCHEMA_VERSION}: a newer Tidemark has been here; upgrade this one`,
    { retryable: false },
  )
}

async function readRow(client: cassandra.Client, { keyspace, consistency }: CassandraSettings): Promise<ClusterRow> {
  const query = `SELECT cluster_id, schema_version, partitions, spread, generation FROM ${keyspace}.cluster WHERE name = ?`
  const result = await client.execute(query, [CLUSTER], { isIdempotent: true, consistency: swappedConsistencyOf(consistency) })
  const row = result.first()
  if (row === null) {
    throw new EngineError('CASSANDRA_KEYSPACE_MISSING', `keyspace ${keyspace} holds no cluster yet: run \`tidemark migrate\` first`, {
      retryable: false,
    })
  }
  return {
    schemaVersion: Number(row.schema_version),
    cluster: {
      clusterId: String(row.cluster_id),
      partitions: Number(row.partitions),
      spread: Number(row.spread),
      generation: Number(row.generation),
    },
  }
}

function define(client: cassandra.Client, statement: string): Promise<unknown> {
  return client.execute(statement, [], { prepare: false, readTimeout: DEFINE_MS_MAX })
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

function nodesOf({ dataCenter }: CassandraSettings, client: cassandra.Client): number {
  return client.hosts.values().filter(({ datacenter }) => datacenter === dataCenter).length
}

function wantedCopies(settings: CassandraSettings, client: cassandra.Client): number {
  if (settings.replication !== 'auto') return settings.replication
  return nodesOf(settings, client) >= 3 ? 3 : 1
}

/** So many copies must answer; where there are fewer nodes, nothing would ever succeed. */
function refuseImpossible(copies: number, settings: CassandraSettings, client: cassandra.Client): void {
  const { keyspace, dataCenter, consistency } = settings
  const nodes = nodesOf(settings, client)
  const needed = { local_quorum: Math.floor(copies / 2) + 1, quorum: Math.floor(copies / 2) + 1, all: copies, local_one: 1, one: 1 }
  if (copies > 0 && needed[consistency] <= nodes) return
  const problem =
    copies === 0
      ? `keeps no copy in data centre ${dataCenter}`
      : `keeps ${copies} copies, of which ${needed[consistency]} must answer at ${consistency}, but data centre ${dataCenter} has ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`
  const remedy = `give the data centre more nodes, or set engines.cassandra.replication; a keyspace that stands is changed by ${alterStatement(settings, nodes >= 3 ? 3 : 1)}`
  throw new EngineError('CASSANDRA_REPLICATION', `keyspace ${keyspace} ${problem}: ${remedy}`, { retryable: false })
}

function alterStatement({ keyspace, dataCenter }: CassandraSettings, copies: number): string {
  return `ALTER KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', ${quoted(dataCenter)}: ${copies}}`
}

/** Of a keyspace that stands: an operator may have made it, and nodes come and go. */
async function checkCopies(client: cassandra.Client, settings: CassandraSettings, logger: Logger): Promise<void> {
  const { keyspace, dataCenter } = settings
  const result = await client.execute('SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?', [keyspace])
  const replication = (result.first()?.replication ?? {}) as Record<string, string>
  const copies = Number(replication[dataCenter] ?? replication.replication_factor ?? 0)
  refuseImpossible(copies, settings, client)
  const wanted = wantedCopies(settings, client)
  if (copies >= wanted) return
  logger.warn(
    { keyspace, copies, wanted },
    `keyspace ${keyspace} keeps ${copies} copies in ${dataCenter}, expected ${wanted}: ${alterStatement(settings, wanted)}, then nodetool repair`,
  )
}
