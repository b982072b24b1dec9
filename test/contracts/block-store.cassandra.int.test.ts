import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from '@jest/globals'
import { CassandraBlockStore } from '../../src/engines/cassandra/cassandra-block-store.ts'
import { connectCassandra } from '../../src/engines/cassandra/connection.ts'
import { migrateCassandra } from '../../src/engines/cassandra/migrations.ts'
import { tableNames } from '../../src/engines/cassandra/tables.ts'
import { SystemClock } from '../../src/engines/system-clock.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { cassandraSettings } from '../support/cassandra-settings.ts'
import { describeWithEngines } from '../support/engines.ts'
import { blockStoreContract } from './block-store.ts'

describeWithEngines(['cassandra'], 'the port must hold on a real node', 'on a real node', (addresses) => {
  const keyspace = `test_${randomUUID().slice(0, 8)}`
  const settings = () => cassandraSettings(addresses.cassandra, { keyspace })
  const execute = async (queries: readonly string[]) => {
    const client = await connectCassandra(settings(), null, silentLogger)
    for (const query of queries) await client.execute(query, [], { prepare: false, readTimeout: 60_000 })
    await client.shutdown()
  }

  beforeAll(async () => {
    await migrateCassandra(settings(), { partitions: 4, spread: 4, generation: 1 }, silentLogger)
  }, 120_000)

  afterAll(() => execute([`DROP KEYSPACE ${keyspace}`]), 120_000)

  blockStoreContract('Cassandra', async () => ({
    open: () =>
      CassandraBlockStore.open({ settings: settings(), rawRetentionMs: 7 * 86_400_000, clock: new SystemClock(), logger: silentLogger }),
    letsGoAtOnce: false,
    dispose: () => execute(tableNames.map((table) => `TRUNCATE ${keyspace}.${table}`)),
  }))
})
