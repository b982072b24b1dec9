import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type CassandraHandle, startCassandra } from '../../../scripts/engines/index.mjs'
import type { BlockRow } from '../../../src/domain/ports/block-store.ts'
import { migrateCassandra, readCluster } from '../../../src/engines/cassandra/migrations.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { failure, TestKeyspace, wanted } from './keyspace.ts'

const START_MS = 240_000
const bytes = (text: string) => new TextEncoder().encode(text)

describeWithEngines(['cassandra'], 'a node is killed and stopped, with TLS and passwords', 'a node of Cassandra of its own', () => {
  let folder: string
  let node: CassandraHandle
  let keyspace: TestKeyspace

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-cassandra-'))
    node = await startCassandra({ run: folder, heap: '512m', durable: true, authentication: true, tls: true })
    keyspace = await TestKeyspace.of(node.address, { tls: { ca: node.ca }, auth: node.user })
    await keyspace.migrate()
  }, START_MS)

  afterAll(async () => {
    await keyspace?.client.shutdown()
    await node?.stop()
    await rm(folder, { recursive: true, force: true })
  }, START_MS)

  it('is reached by TLS and password, and says what is wrong with either', async () => {
    const { settings } = keyspace
    expect(await readCluster(settings, silentLogger)).toMatchObject(wanted)
    const wrong = await failure(readCluster({ ...settings, auth: { username: 'cassandra', password: 'wrong-secret' } }, silentLogger))
    expect(wrong).toMatchObject({ code: 'CASSANDRA_AUTH', retryable: false, message: expect.stringContaining('username and password') })
    expect(wrong.message).not.toContain('wrong-secret')
    expect(await failure(readCluster({ ...settings, auth: null }, silentLogger))).toMatchObject({
      code: 'CASSANDRA_AUTH',
      retryable: false,
    })
    // Signed by none of the system's authorities.
    const untrusted = await failure(readCluster({ ...settings, tls: {} }, silentLogger))
    expect(untrusted).toMatchObject({ code: 'CASSANDRA_TLS', retryable: false, message: expect.stringContaining('engines.cassandra.tls') })
    const plain = await failure(readCluster({ ...settings, tls: null }, silentLogger))
    expect(plain.message).toContain('tls')
  }, 120_000)

  it('tells who may not do what', async () => {
    await keyspace.rows(`CREATE ROLE IF NOT EXISTS reader WITH PASSWORD = 'reader' AND LOGIN = true`)
    const settings = { ...keyspace.settings, auth: { username: 'reader', password: 'reader' } }
    for (const attempt of [
      readCluster(settings, silentLogger),
      migrateCassandra({ ...settings, keyspace: 'other' }, wanted, silentLogger),
    ]) {
      expect(await failure(attempt)).toMatchObject({ code: 'CASSANDRA_NOT_AUTHORIZED', retryable: false })
    }
  }, 120_000)

  it(
    'holds what was acknowledged when it is killed, and the same store goes on when it is back',
    async () => {
      const store = await keyspace.open()
      const value = new Uint8Array(64 * 1024).fill(7)
      const acknowledged: BlockRow[] = []
      const refusals: unknown[] = []
      let stopped = false
      const writing = (async () => {
        for (let i = 0; !stopped; i++) {
          const rows = Array.from({ length: 8 }, (_, k) => ({
            table: 'raw' as const,
            partitionKey: 'outage',
            dayOf: 0,
            clusteringKey: `${i}`.padStart(5, '0') + k,
            value,
          }))
          try {
            await store.put(rows)
            acknowledged.push(...rows)
          } catch (error) {
            refusals.push(error)
          }
        }
      })()
      await sleep(1000)
      await node.kill()
      expect(acknowledged.length).toBeGreaterThan(0)
      await sleep(5000)
      // Down: each fails within seconds, and may be tried again.
      expect(refusals.length).toBeGreaterThan(0)
      for (const error of refusals) expect(error).toMatchObject({ code: 'CASSANDRA_UNAVAILABLE', retryable: true })
      expect(await failure(keyspace.open())).toMatchObject({ code: 'CASSANDRA_UNAVAILABLE', retryable: true })
      const before = acknowledged.length
      await node.restart()
      for (let tries = 0; acknowledged.length === before && tries < 300; tries++) await sleep(100)
      stopped = true
      await writing
      expect(acknowledged.length).toBeGreaterThan(before)
      const held = new Set<string>()
      for await (const rows of store.scan({ table: 'raw', partitionKey: 'outage', dayOf: 0 })) {
        for (const row of rows) held.add(row.clusteringKey)
      }
      const keys = acknowledged.map((row) => row.clusteringKey)
      expect(keys.filter((key) => !held.has(key))).toEqual([])
      await store.close()
    },
    START_MS,
  )

  it('answers late when it was stopped for a moment', async () => {
    const store = await keyspace.open()
    const partition = { table: 'checkpoints', partitionKey: 'paused', dayOf: null } as const
    await store.compareAndSet(partition, 'k', null, bytes('1'))
    node.pause()
    const swap = store.compareAndSet(partition, 'k', bytes('1'), bytes('2'))
    const put = store.put([{ table: 'raw', partitionKey: 'paused', dayOf: 0, clusteringKey: 'k', value: bytes('x') }])
    await sleep(2000)
    node.resume()
    expect(await swap).toBe(true)
    await put
    expect(await store.get(partition, 'k')).toEqual(bytes('2'))
    await store.close()
  }, 60_000)
})
