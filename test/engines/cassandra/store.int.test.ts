import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { type BlockTable, blockTables } from '../../../src/domain/ports/block-store.ts'
import type { CassandraBlockStore } from '../../../src/engines/cassandra/cassandra-block-store.ts'
import { tableNames } from '../../../src/engines/cassandra/tables.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { DAY, RETENTION_MS, TestKeyspace } from './keyspace.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

/** Stands before a node and loses what it answers, when it is told to: the request is done, and nobody knows. */
class LossyWire {
  readonly address: string
  lost = 0
  #losing = false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async to(address: string): Promise<LossyWire> {
    const [host, port] = address.split(':')
    const server = createServer((near) => {
      const far = connect(Number(port), host)
      const end = () => {
        near.destroy()
        far.destroy()
      }
      for (const socket of [near, far]) wire.#sockets.add(socket.on('error', end).on('close', end))
      near.on('data', (chunk) => far.write(chunk))
      far.on('data', (chunk) => {
        if (!wire.#losing) return near.write(chunk)
        wire.#losing = false
        wire.lost++
        end()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const wire = new LossyWire(server)
    return wire
  }

  loseNext(): void {
    this.#losing = true
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

describeWithEngines(['cassandra'], 'what a real node stores is looked at', 'the block store in Cassandra', (addresses) => {
  let keyspace: TestKeyspace
  let store: CassandraBlockStore

  beforeAll(async () => {
    keyspace = await TestKeyspace.of(addresses.cassandra)
    await keyspace.migrate()
    store = await keyspace.open()
  }, 60_000)

  afterAll(async () => {
    await store?.close()
    await keyspace?.remove()
  }, 60_000)

  const ttlOf = async (table: BlockTable, partitionKey: string) => {
    const rows = await keyspace.rows(`SELECT ttl(value) AS v, ttl(digest) AS d FROM KS.${table} WHERE partition_key = ? ALLOW FILTERING`, [
      partitionKey,
    ])
    expect(rows).toHaveLength(1)
    expect(rows[0].d).toBe(rows[0].v)
    return rows[0].v as number | null
  }

  it('gives each row the time to live of its table', async () => {
    const now = Date.now()
    const today = Math.floor(now / DAY) * DAY
    for (const table of tableNames) {
      const { keep } = blockTables[table]
      const partition = { table, partitionKey: 'ttl', dayOf: keep === 'raw' || keep === 'fresh' ? today : null }
      await store.put([{ ...partition, clusteringKey: 'k', value: bytes('x') }])
      const expectedMs = { raw: today + DAY + RETENTION_MS + 2 * DAY - now, fresh: 2 * DAY, session: 9 * DAY, always: null }[keep]
      const ttl = await ttlOf(table, 'ttl')
      if (expectedMs === null) expect(ttl).toBeNull()
      else expect(Math.abs(ttl! - expectedMs / 1000)).toBeLessThan(30)
    }
  })

  it('lets what is long over live for an hour still, and renews what is swapped', async () => {
    const old = { table: 'catalogue', partitionKey: 'old', dayOf: 0 } as const
    expect(await store.compareAndSet(old, 'k', null, bytes('1'))).toBe(true)
    expect(await ttlOf('catalogue', 'old')).toBeGreaterThan(3500)
    const now = Date.now()
    const swapped = { table: 'catalogue', partitionKey: 'swapped', dayOf: now } as const
    await store.compareAndSet(swapped, 'k', null, bytes('1'))
    await store.compareAndSet(swapped, 'k', bytes('1'), bytes('2'))
    expect(await ttlOf('catalogue', 'swapped')).toBeGreaterThan((RETENTION_MS + 2 * DAY) / 1000)
  })

  it('never writes or reads a tombstone', async () => {
    const today = Math.floor(Date.now() / DAY) * DAY
    for (const table of tableNames) {
      const partition = { table, partitionKey: 'tombs', dayOf: today + 1 }
      const row = (key: string, text: string) => ({ ...partition, clusteringKey: key, value: bytes(text) })
      await store.put([row('a', '1'), row('b', '2'), row('c', '')])
      await store.put([row('a', '3')])
      if (blockTables[table].swapped) {
        await store.compareAndSet(partition, 'a', bytes('3'), bytes('4'))
        await store.compareAndSet(partition, 'd', null, bytes('5'))
      }
      await store.drop()
      await store.expire()
      await store.compact()
    }
    for (const table of tableNames) {
      const [live, dead] = await keyspace.traced(`SELECT * FROM KS.${table} WHERE partition_key = 'tombs' AND day = ${today}`)
      expect([table, live, dead]).toEqual([table, blockTables[table].swapped ? 4 : 3, 0])
    }
    // That is how one would be seen.
    await keyspace.rows(`DELETE FROM KS.raw WHERE partition_key = 'tombs' AND day = ${today} AND clustering_key = 'b'`)
    expect(await keyspace.traced(`SELECT * FROM KS.raw WHERE partition_key = 'tombs' AND day = ${today}`)).toEqual([2, 1])
  }, 60_000)

  it('names a row whose bytes are not what was put', async () => {
    const partition = { table: 'raw', partitionKey: 'bad', dayOf: 0 } as const
    await store.put(['a', 'b'].map((clusteringKey) => ({ ...partition, clusteringKey, value: bytes(clusteringKey) })))
    await keyspace.rows(`UPDATE KS.raw SET value = 0x00 WHERE partition_key = 'bad' AND day = 0 AND clustering_key = 'b'`)
    await expect(store.get(partition, 'b')).rejects.toMatchObject({ code: 'CORRUPT', clusteringKey: 'b' })
    expect(await store.get(partition, 'a')).toEqual(bytes('a'))
    // Another row's bytes, sound in themselves, are no better.
    const [a] = await keyspace.rows(`SELECT value, digest FROM KS.raw WHERE partition_key = 'bad' AND day = 0 AND clustering_key = 'a'`)
    await keyspace.rows(`UPDATE KS.raw SET value = ?, digest = ? WHERE partition_key = 'bad' AND day = 0 AND clustering_key = 'b'`, [
      a.value,
      a.digest,
    ])
    const read = async () => {
      for await (const _ of store.scan(partition));
    }
    await expect(read()).rejects.toMatchObject({ code: 'CORRUPT', clusteringKey: 'b' })
  })

  it('puts into a table of swapped rows whatever they hold, while others swap them', async () => {
    const partition = { table: 'checkpoints', partitionKey: 'replaced', dayOf: null } as const
    const puts = ['a', 'b', 'c'].map((text) => store.put([{ ...partition, clusteringKey: 'k', value: bytes(text) }]))
    await Promise.all([...puts, store.compareAndSet(partition, 'k', null, bytes('d'))])
    await store.put([{ ...partition, clusteringKey: 'k', value: bytes('last') }])
    expect(await store.get(partition, 'k')).toEqual(bytes('last'))
    expect(await store.compareAndSet(partition, 'k', bytes('last'), bytes('next'))).toBe(true)
  })

  describe('when an answer is lost', () => {
    let wire: LossyWire
    let far: CassandraBlockStore

    beforeAll(async () => {
      wire = await LossyWire.to(addresses.cassandra)
      far = await keyspace.open({ contactPoints: [wire.address] })
    }, 60_000)

    afterEach(() => expect(wire.lost).toBeGreaterThan(0))

    afterAll(async () => {
      await far?.close()
      await wire?.close()
    })

    const partition = { table: 'checkpoints', partitionKey: 'lost', dayOf: null } as const

    it('finds that a compare-and-set has succeeded', async () => {
      // Prepared statements first: the next answer is that of the compare-and-set.
      expect(await far.compareAndSet(partition, 'warm', null, bytes('0'))).toBe(true)
      expect(await far.compareAndSet(partition, 'warm', bytes('0'), bytes('1'))).toBe(true)
      wire.loseNext()
      expect(await far.compareAndSet(partition, 'new', null, bytes('1'))).toBe(true)
      wire.loseNext()
      expect(await far.compareAndSet(partition, 'new', bytes('1'), bytes('2'))).toBe(true)
      expect(await store.get(partition, 'new')).toEqual(bytes('2'))
    }, 60_000)

    it('finds that a compare-and-set was refused', async () => {
      await store.compareAndSet(partition, 'held', null, bytes('1'))
      wire.loseNext()
      expect(await far.compareAndSet(partition, 'held', null, bytes('2'))).toBe(false)
      wire.loseNext()
      expect(await far.compareAndSet(partition, 'held', bytes('0'), bytes('2'))).toBe(false)
      expect(await store.get(partition, 'held')).toEqual(bytes('1'))
    }, 60_000)

    it('puts and reads again', async () => {
      const raw = { table: 'raw', partitionKey: 'again', dayOf: 0 } as const
      wire.loseNext()
      await far.put(['a', 'b', 'c'].map((clusteringKey) => ({ ...raw, clusteringKey, value: bytes(clusteringKey) })))
      wire.loseNext()
      expect(await far.get(raw, 'b')).toEqual(bytes('b'))
      wire.loseNext()
      const keys: string[] = []
      for await (const rows of far.scan(raw)) keys.push(...rows.map((row) => row.clusteringKey))
      expect(keys).toEqual(['a', 'b', 'c'])
    }, 60_000)
  })
})
