import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type cassandra from 'cassandra-driver'
import { CassandraBlockStore } from '../../../src/engines/cassandra/cassandra-block-store.ts'
import { connectCassandra } from '../../../src/engines/cassandra/connection.ts'
import { migrateCassandra } from '../../../src/engines/cassandra/migrations.ts'
import type { CassandraSettings } from '../../../src/engines/cassandra/settings.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { cassandraSettings } from '../../support/cassandra-settings.ts'

export const DAY = 86_400_000
export const RETENTION_MS = 7 * DAY
export const wanted = { partitions: 4, spread: 4, generation: 1 }

/** A keyspace of a test's own, and a client beside the engine's that sees what it has done. */
export class TestKeyspace {
  readonly settings: CassandraSettings
  readonly client: cassandra.Client

  private constructor(settings: CassandraSettings, client: cassandra.Client) {
    this.settings = settings
    this.client = client
  }

  /** Not made yet, unless `migrate` is called. */
  static async of(address: string, changes: Partial<CassandraSettings> = {}): Promise<TestKeyspace> {
    const settings = cassandraSettings(address, { keyspace: `test_${randomUUID().slice(0, 8)}`, ...changes })
    return new TestKeyspace(settings, await connectCassandra(settings, null, silentLogger))
  }

  migrate() {
    return migrateCassandra(this.settings, wanted, silentLogger)
  }

  open(changes: Partial<CassandraSettings> = {}): Promise<CassandraBlockStore> {
    const settings = { ...this.settings, ...changes }
    return CassandraBlockStore.open({ settings, rawRetentionMs: RETENTION_MS, clock: new SystemClock(), logger: silentLogger })
  }

  /** `KS.` in the query stands for the keyspace. */
  async rows(query: string, parameters: unknown[] = []): Promise<Record<string, unknown>[]> {
    const { rows } = await this.client.execute(query.replaceAll('KS.', `${this.settings.keyspace}.`), parameters, { readTimeout: 60_000 })
    return rows
  }

  /** Live rows and tombstones that a query met, by the node's own account. */
  async traced(query: string): Promise<[live: number, tombstones: number]> {
    const { info } = await this.client.execute(query.replaceAll('KS.', `${this.settings.keyspace}.`), [], { traceQuery: true })
    for (let tries = 0; tries < 50; tries++) {
      const { events } = await this.client.metadata.getTrace(info.traceId)
      const found = events.map((event) => /Read (\d+) live rows and (\d+) tombstone cells/.exec(String(event.activity))).find(Boolean)
      if (found) return [Number(found[1]), Number(found[2])]
      await sleep(100)
    }
    throw new Error('no trace')
  }

  async remove(): Promise<void> {
    await this.rows(`DROP KEYSPACE IF EXISTS ${this.settings.keyspace}`)
    await this.client.shutdown()
  }
}

/** The error that a promise must end with. */
export async function failure(promise: Promise<unknown>): Promise<{ code: string; retryable: boolean; message: string }> {
  try {
    await promise
  } catch (error) {
    const { code, retryable, message } = error as { code: string; retryable: boolean; message: string }
    return { code, retryable, message }
  }
  throw new Error('nothing failed')
}
