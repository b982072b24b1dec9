import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { CorruptionError } from '../../../../src/domain/errors.ts'
import type { PartitionRef } from '../../../../src/domain/ports/block-store.ts'
import { DAY_MS } from '../../../../src/domain/time.ts'
import { SqliteBlockStore } from '../../../../src/engines/embedded/store/sqlite-block-store.ts'

const DAY = Date.UTC(2026, 10, 24)
const ref: PartitionRef = { table: 'raw', partitionKey: 'up', dayOf: DAY }
const keys = (store: SqliteBlockStore, partition = ref) => [...store.scanSync(partition)].flat().map(({ clusteringKey }) => clusteringKey)

let dir: string
let store: SqliteBlockStore

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidemark-store-'))
  store = SqliteBlockStore.open({ dir })
})

afterEach(async () => {
  await store.close()
  rmSync(dir, { recursive: true })
})

const put = (key: string, value: Uint8Array = new Uint8Array(8), partition = ref) =>
  store.putSync([{ ...partition, clusteringKey: key, value }])

describe('a reader of the same files', () => {
  it('in another thread sees rows at once, days that appear, and days that are let go of', async () => {
    const worker = new Worker(join(import.meta.dirname, 'reader.worker.ts'), { workerData: { dir } })
    const seen = async (partition: PartitionRef) => {
      worker.postMessage(partition)
      return (await once(worker, 'message'))[0]
    }
    expect(await seen(ref)).toEqual([])
    put('a')
    expect(await seen(ref)).toEqual(['a'])
    put('b')
    expect(await seen(ref)).toEqual(['a', 'b'])
    const next = { ...ref, dayOf: DAY + DAY_MS }
    put('c', undefined, next)
    expect(await seen(next)).toEqual(['c'])
    await store.expire(DAY + DAY_MS)
    expect([await seen(ref), await seen(next)]).toEqual([[], ['c']])
    put('d')
    expect(await seen(ref)).toEqual(['d'])
    expect(keys(store)).toEqual(['d'])
    const exited = once(worker, 'exit')
    worker.postMessage(null)
    await exited
  })

  it('makes no files', async () => {
    const reader = SqliteBlockStore.open({ dir, readOnly: true })
    expect(reader.getSync(ref, 'a')).toBeNull()
    expect(readdirSync(dir)).toEqual([])
    await reader.close()
  })
})

describe('damage', () => {
  it('of a byte of a value is named with its row and never served; other rows are', async () => {
    const value = Buffer.alloc(20_000, 'tidemark ')
    for (const key of ['a', 'b', 'c']) put(key, key === 'b' ? value : new Uint8Array(8))
    await store.close()
    const path = join(dir, '2026-11-24.db')
    const file = readFileSync(path)
    const places: number[] = []
    for (let at = file.indexOf('tidemark'); at >= 0; at = file.indexOf('tidemark', at + 1)) places.push(at)
    expect(places.length).toBeGreaterThan(1000)
    for (const at of [places[0], places[places.length >> 1], places.at(-1)] as number[]) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 4
      writeFileSync(path, damaged)
      store = SqliteBlockStore.open({ dir })
      expect(() => store.getSync(ref, 'b')).toThrow(CorruptionError)
      expect(() => store.getSync(ref, 'b')).toThrow(/2026-11-24\.db: row "b" of raw "up" has a bad checksum/)
      expect(() => keys(store)).toThrow(/bad checksum/)
      expect(store.getSync(ref, 'a')).toHaveLength(8)
      expect(store.getSync(ref, 'c')).toHaveLength(8)
      // Whoever makes it again heals it.
      put('b', value)
      expect(Buffer.compare(store.getSync(ref, 'b') as Uint8Array, value)).toBe(0)
      await store.close()
    }
  })

  it('of a whole file is named, and other days go on', async () => {
    const next = { ...ref, dayOf: DAY + DAY_MS }
    put('a')
    put('b', undefined, next)
    await store.close()
    for (const harm of [Buffer.alloc(8192, 'x'), readFileSync(join(dir, '2026-11-24.db')).fill(0xff, 100, 8000)]) {
      writeFileSync(join(dir, '2026-11-24.db'), harm)
      store = SqliteBlockStore.open({ dir })
      for (const work of [() => store.getSync(ref, 'a'), () => keys(store), () => put('c')]) {
        expect(work).toThrow(CorruptionError)
        expect(work).toThrow(/2026-11-24\.db is damaged/)
      }
      expect(keys(store, next)).toEqual(['b'])
      await store.expire(DAY + DAY_MS)
      put('anew')
      expect(keys(store)).toEqual(['anew'])
      await store.close()
    }
  })

  it('of any byte of a file never makes a wrong value', async () => {
    const value = (key: string) => Buffer.alloc(300, `${key}-`)
    for (let i = 0; i < 20; i++) put(`key${i}`, value(`key${i}`))
    await store.close()
    const path = join(dir, '2026-11-24.db')
    const file = readFileSync(path)
    let named = 0
    for (let at = 16; at < file.length; at += 97) {
      const damaged = Buffer.from(file)
      damaged[at]! ^= 0x41
      writeFileSync(path, damaged)
      store = SqliteBlockStore.open({ dir, readOnly: true })
      try {
        for (const { clusteringKey, value: held } of [...store.scanSync(ref)].flat()) {
          expect(Buffer.compare(held, value(clusteringKey))).toBe(0)
        }
      } catch (error) {
        expect((error as Error).name).toMatch(/CorruptionError|EngineError/)
        named++
      }
      await store.close()
    }
    expect(named).toBeGreaterThan(20)
  })

  it('as a version that is too new is refused with both versions', async () => {
    put('a')
    await store.close()
    const path = join(dir, '2026-11-24.db')
    const file = readFileSync(path)
    file.writeUInt32BE(9, 60)
    writeFileSync(path, file)
    store = SqliteBlockStore.open({ dir })
    expect(() => keys(store)).toThrow(/has version 9, this Tidemark knows up to 1/)
  })
})

describe('space', () => {
  it('is given back on demand, after rows were dropped, and nothing is left in write-ahead logs', async () => {
    for (let i = 0; i < 200; i++) put(`${i}`.padStart(3, '0'), new Uint8Array(40_000).fill(i))
    await store.compact()
    const full = statSync(join(dir, '2026-11-24.db')).size
    expect(full).toBeGreaterThan(200 * 40_000)
    // Values are packed with little between them.
    expect(full).toBeLessThan(1.05 * 200 * 40_000)
    await store.drop(ref, { from: '010', to: '190' })
    await store.compact()
    expect(statSync(join(dir, '2026-11-24.db')).size).toBeLessThan(full / 5)
    expect(statSync(join(dir, '2026-11-24.db-wal')).size).toBe(0)
    expect(keys(store)).toHaveLength(20)
  })

  it('of write-ahead logs is bounded while rows are put', () => {
    let largest = 0
    for (let i = 0; i < 60; i++) {
      put(`${i}`, new Uint8Array(1_000_000).fill(i))
      largest = Math.max(largest, statSync(join(dir, '2026-11-24.db-wal')).size)
    }
    expect(largest).toBeLessThan(24 * 2 ** 20)
  })

  it('keeps few files open, whatever days are read', () => {
    for (let day = 0; day < 30; day++) put('a', undefined, { ...ref, dayOf: DAY + day * DAY_MS })
    for (let day = 0; day < 30; day++) expect(keys(store, { ...ref, dayOf: DAY + day * DAY_MS })).toEqual(['a'])
    expect(readdirSync(dir).filter((name) => name.endsWith('-shm')).length).toBeLessThanOrEqual(8)
  })
})

const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0
;(hasPrlimit ? it : it.skip)('a write that the disk refuses is retryable, harms nothing, and works again later (needs prlimit)', () => {
  const child = join(import.meta.dirname, 'writer.child.ts')
  const output = execFileSync('prlimit', [
    '--fsize=3000000:unlimited',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    child,
    dir,
  ])
  const told = JSON.parse(output.toString())
  expect(told).toMatchObject({ name: 'EngineError', retryable: true })
  expect(told.acknowledged).toBeGreaterThan(5)
  expect(told.heldWhileRefused).toBe(told.acknowledged)
  expect(told.heldAfter).toBe(told.acknowledged + 1)
})
