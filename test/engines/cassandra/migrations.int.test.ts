import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { migrateCassandra, readCluster, SCHEMA_VERSION } from '../../../src/engines/cassandra/migrations.ts'
import type { Logger } from '../../../src/telemetry/log.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { failure, TestKeyspace, wanted } from './keyspace.ts'

describeWithEngines(['cassandra'], 'keyspaces are made', 'migrations of Cassandra', (addresses) => {
  let keyspace: TestKeyspace

  beforeEach(async () => {
    keyspace = await TestKeyspace.of(addresses.cassandra)
  }, 60_000)

  afterEach(() => keyspace.remove(), 60_000)

  it('makes a cluster once, whoever migrates and however often', async () => {
    const clusters = await Promise.all([keyspace.migrate(), keyspace.migrate(), keyspace.migrate()])
    expect(clusters[0]).toEqual({ clusterId: expect.stringMatching(/^[0-9a-f-]{36}$/), ...wanted })
    // What a cluster was made with stays, whatever is wanted later.
    const again = await migrateCassandra(keyspace.settings, { partitions: 99, spread: 9, generation: 2 }, silentLogger)
    expect([...clusters.slice(1), again, await readCluster(keyspace.settings, silentLogger)]).toEqual(Array(4).fill(clusters[0]))
    const tables = await keyspace.rows('SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?', [keyspace.settings.keyspace])
    expect(tables.map((row) => row.table_name).sort()).toEqual(
      ['catalogue', 'checkpoints', 'cluster', 'fresh', 'metadata', 'raw', 'series', 'sessions'].sort(),
    )
  }, 60_000)

  it('goes on where a migration was interrupted', async () => {
    const { clusterId } = await keyspace.migrate()
    await keyspace.rows('DROP TABLE KS.raw')
    await keyspace.rows(`UPDATE KS.cluster SET schema_version = 0 WHERE name = 'cluster' IF EXISTS`)
    expect(await failure(readCluster(keyspace.settings, silentLogger))).toMatchObject({
      code: 'CASSANDRA_SCHEMA',
      retryable: false,
      message: expect.stringContaining('run `tidemark migrate`'),
    })
    expect(await keyspace.migrate()).toMatchObject({ clusterId })
    expect(await keyspace.rows('SELECT * FROM KS.raw')).toEqual([])
    expect(await readCluster(keyspace.settings, silentLogger)).toMatchObject({ clusterId })
  }, 60_000)

  it('refuses a keyspace that a newer program has changed', async () => {
    await keyspace.migrate()
    await keyspace.rows(`UPDATE KS.cluster SET schema_version = ${SCHEMA_VERSION + 1} WHERE name = 'cluster' IF EXISTS`)
    for (const attempt of [() => readCluster(keyspace.settings, silentLogger), () => keyspace.migrate()]) {
      expect(await failure(attempt())).toMatchObject({
        code: 'CASSANDRA_SCHEMA',
        retryable: false,
        message: expect.stringContaining('upgrade'),
      })
    }
  }, 60_000)

  it('says what to do about a keyspace that is not there, or empty', async () => {
    const expected = { code: 'CASSANDRA_KEYSPACE_MISSING', retryable: false, message: expect.stringContaining('run `tidemark migrate`') }
    expect(await failure(readCluster(keyspace.settings, silentLogger))).toMatchObject(expected)
    expect(await failure(keyspace.open())).toMatchObject(expected)
    await keyspace.rows(
      `CREATE KEYSPACE ${keyspace.settings.keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}`,
    )
    expect(await failure(readCluster(keyspace.settings, silentLogger))).toMatchObject(expected)
  }, 60_000)

  it('refuses copies that can never answer, and warns of fewer than were asked for', async () => {
    const tooMany = await failure(migrateCassandra({ ...keyspace.settings, replication: 3 }, wanted, silentLogger))
    expect(tooMany).toMatchObject({ code: 'CASSANDRA_REPLICATION', retryable: false, message: expect.stringContaining('has 1 node:') })
    await keyspace.migrate()
    const warnings: string[] = []
    const logger: Logger = { ...silentLogger, info: () => {}, warn: (_: unknown, text?: string) => void warnings.push(text ?? '') }
    await readCluster({ ...keyspace.settings, replication: 2 }, logger)
    expect(warnings).toEqual([expect.stringContaining(`ALTER KEYSPACE ${keyspace.settings.keyspace} WITH replication`)])
    await keyspace.rows(
      `ALTER KEYSPACE ${keyspace.settings.keyspace} WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 3}`,
    )
    expect(await failure(readCluster(keyspace.settings, silentLogger))).toMatchObject({ code: 'CASSANDRA_REPLICATION' })
  }, 60_000)

  it('names the data centres when the configured one is none of them', async () => {
    const { code, retryable, message } = await failure(readCluster({ ...keyspace.settings, dataCenter: 'east' }, silentLogger))
    expect([code, retryable]).toEqual(['CASSANDRA_DATA_CENTER', false])
    expect(message).toMatch(/'east'.*datacenter1.*engines\.cassandra\.data_center/)
  })

  it('says where nobody answers', async () => {
    const down = { ...keyspace.settings, contactPoints: ['127.0.0.1:1'] }
    const expected = { code: 'CASSANDRA_UNAVAILABLE', retryable: true, message: expect.stringContaining('127.0.0.1:1') }
    expect(await failure(readCluster(down, silentLogger))).toMatchObject(expected)
    expect(await failure(keyspace.open({ contactPoints: ['127.0.0.1:1'] }))).toMatchObject(expected)
  })
})
