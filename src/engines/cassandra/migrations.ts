import { randomUUID } from 'node:crypto'
import type cassandra from 'cassandra-driver'
import { EngineError } from '../../domain/errors.ts'
import type { ClusterFormed } from '../../domain/events/cluster-formed.ts'
import type { Logger } from '../../telemetry/log.ts'
import { cassandraError, connectCassandra } from './connection.ts'
import type { CassandraSettings } from './settings.ts'
import { createTable, tableNames } from './tables.ts'

/** Steps from one version of the schema to the next, in order. Each may run again, and at the same time as another process' run. */
const STEPS: readonly ((client: cassandra.Client, keyspace: string) => Promise<void>)[] = [
  async (client, keyspace) => {
    for (const table of tableNames) await client.execute(createTable(keyspace, table), [], { prepare: false })
  },
]
export const SCHEMA_VERSION = STEPS.length
const NAME = 'cluster'

interface ClusterRow extends ClusterFormed {
  readonly schemaVersion: number
}

/**
 * Makes keyspace and tables, or brings them up to date.
 * @param wanted of a new cluster; one that stands keeps what it has
 * @throws EngineError that says what to do
 */
export async function migrateCassandra(
  settings: CassandraSettings,
  wanted: Omit<ClusterFormed, 'clusterId'>,
  logger: Logger,
): Promise<ClusterFormed> {
  const { keyspace } = settings
  const client = await connectCassandra(settings, null, logger)
  try {
    const copies = replicationOf(settings, client)
    await client.execute(
      `CREATE KEYSPACE IF NOT EXISTS ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${settings.dataCenter}': ${copies}} AND durable_writes = true`,
      [],
      { prepare: false },
    )
    await client.execute(
      `CREATE TABLE IF NOT EXISTS ${keyspace}.cluster (name text PRIMARY KEY, cluster_id text, schema_version int, partitions int, spread int, generation int)`,
      [],
      { prepare: false },
    )
    await client.execute(
      `INSERT INTO ${keyspace}.cluster (name, cluster_id, schema_version, partitions, spread, generation) VALUES (?, ?, 0, ?, ?, ?) IF NOT EXISTS`,
      [NAME, randomUUID(), wanted.partitions, wanted.spread, wanted.generation],
    )
    const row = await readRow(client, settings)
    refuseNewer(row, keyspace)
    for (let version = row.schemaVersion; version < SCHEMA_VERSION; version++) {
      logger.info({ keyspace, from: version, to: version + 1 }, 'changing the schema')
      await STEPS[version](client, keyspace)
      // Another run may have been quicker; the step was the same.
      await client.execute(`UPDATE ${keyspace}.cluster SET schema_version = ? WHERE name = ? IF schema_version = ?`, [
        version + 1,
        NAME,
        version,
      ])
    }
    await warnOfFewerCopies(client, settings, copies, logger)
    return row
  } catch (error) {
    throw cassandraError(error, settings, 'migrating')
  } finally {
    await client.shutdown()
  }
}

/** What `migrateCassandra` made. @throws EngineError that says what to do */
export async function readCluster(settings: CassandraSettings, logger: Logger): Promise<ClusterFormed> {
  const { keyspace } = settings
  const client = await connectCassandra(settings, keyspace, logger)
  try {
    const row = await readRow(client, settings)
    refuseNewer(row, keyspace)
    if (row.schemaVersion < SCHEMA_VERSION) {
      throw new EngineError(
        'CASSANDRA_SCHEMA',
        `keyspace ${keyspace} has schema version ${row.schemaVersion}, this program needs ${SCHEMA_VERSION}: run \`tidemark migrate\``,
        { retryable: false },
      )
    }
    await warnOfFewerCopies(client, settings, replicationOf(settings, client), logger)
    return row
  } catch (error) {
    throw cassandraError(error, settings, 'looking at the cluster')
  } finally {
    await client.shutdown()
  }
}

function refuseNewer({ schemaVersion }: ClusterRow, keyspace: string): void {
  if (schemaVersion <= SCHEMA_VERSION) return
  throw new EngineError(
    'CASSANDRA_SCHEMA',
    `keyspace ${keyspace} has schema version ${schemaVersion}, this program knows versions up to ${SCHEMA_VERSION}: a newer Tidemark has been here; upgrade this one`,
    { retryable: false },
  )
}

async function readRow(client: cassandra.Client, { keyspace }: CassandraSettings): Promise<ClusterRow> {
  const result = await client.execute(
    `SELECT cluster_id, schema_version, partitions, spread, generation FROM ${keyspace}.cluster WHERE name = ?`,
    [NAME],
  )
  const row = result.first()
  if (row === null) {
    throw new EngineError('CASSANDRA_KEYSPACE_MISSING', `keyspace ${keyspace} holds no cluster yet: run \`tidemark migrate\` first`, {
      retryable: false,
    })
  }
  return {
    clusterId: String(row.cluster_id),
    schemaVersion: Number(row.schema_version),
    partitions: Number(row.partitions),
    spread: Number(row.spread),
    generation: Number(row.generation),
  }
}

function replicationOf({ replication, dataCenter }: CassandraSettings, client: cassandra.Client): number {
  if (replication !== 'auto') return replication
  return client.hosts.values().filter(({ datacenter }) => datacenter === dataCenter).length >= 3 ? 3 : 1
}

async function warnOfFewerCopies(client: cassandra.Client, settings: CassandraSettings, wanted: number, logger: Logger): Promise<void> {
  const { keyspace, dataCenter } = settings
  const result = await client.execute('SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?', [keyspace])
  const replication = (result.first()?.replication ?? {}) as Record<string, string>
  const copies = Number(replication[dataCenter] ?? replication.replication_factor ?? 0)
  if (copies >= wanted) return
  logger.warn(
    { keyspace, copies, wanted },
    `keyspace ${keyspace} keeps ${copies} copies in ${dataCenter}, expected ${wanted}: ALTER KEYSPACE ${keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', '${dataCenter}': ${wanted}}, then nodetool repair`,
  )
}
