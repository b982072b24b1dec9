import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { BlockRow, BlockStore, PartitionRef } from '../../src/domain/ports/block-store.ts'
import { DAY_MS } from '../../src/domain/time.ts'

export interface BlockStoreEngine {
  /** Opens the store, empty at first; again after a `close`, it is the same store. */
  open(): Promise<BlockStore>
  /** Cassandra lets rows go by their TTL, not when it is told to. */
  readonly letsGoAtOnce: boolean
  dispose(): Promise<void>
}

const DAY = Date.UTC(2026, 10, 24)
const bytes = (text: string) => new TextEncoder().encode(text)

/** What every block store must do. */
export function blockStoreContract(name: string, makeEngine: () => Promise<BlockStoreEngine>): void {
  describe(`block store contract: ${name}`, () => {
    let engine: BlockStoreEngine
    let store: BlockStore

    beforeEach(async () => {
      engine = await makeEngine()
      store = await engine.open()
    })

    afterEach(async () => {
      await store.close()
      await engine.dispose()
    })

    const ref: PartitionRef = { table: 'raw', partitionKey: '1/up', dayOf: DAY + 5 }
    const meta: PartitionRef = { table: 'checkpoints', partitionKey: '1', dayOf: null }
    const row = (partition: PartitionRef, clusteringKey: string, text: string): BlockRow => ({
      ...partition,
      clusteringKey,
      value: bytes(text),
    })
    const scanned = async (partition: PartitionRef, range?: { from?: string; to?: string }) => {
      const rows: string[] = []
      for await (const batch of store.scan(partition, range)) {
        for (const held of batch) {
          expect([held.table, held.partitionKey]).toEqual([partition.table, partition.partitionKey])
          rows.push(`${held.clusteringKey}=${Buffer.from(held.value).toString()}`)
        }
      }
      return rows
    }

    it('has nothing at first', async () => {
      expect(await store.get(ref, 'a')).toBeNull()
      expect(await scanned(ref)).toEqual([])
      expect(await scanned(meta)).toEqual([])
    })

    it('gives back what was put, bytes untouched, and replaces it when it is put again', async () => {
      const every = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) >>> 3)
      await store.put([
        { ...ref, clusteringKey: 'large', value: every },
        row(ref, 'a', 'one'),
        row(meta, 'a', 'other'),
        row(ref, 'empty', ''),
      ])
      expect(Buffer.from((await store.get(ref, 'large'))!).equals(Buffer.from(every))).toBe(true)
      await store.put([row(ref, 'a', 'two')])
      await store.put([row(ref, 'a', 'two')])
      expect(await scanned(ref, { to: 'large' })).toEqual(['a=two', 'empty='])
      expect(await scanned(meta)).toEqual(['a=other'])
    })

    it('keeps tables, partition keys and days apart', async () => {
      const refs: PartitionRef[] = [
        ref,
        { ...ref, table: 'series' },
        { ...ref, partitionKey: '1/u' },
        { ...ref, dayOf: DAY + DAY_MS },
        { ...ref, dayOf: null },
      ]
      await store.put(refs.map((partition, i) => row(partition, 'k', `${i}`)))
      for (const [i, partition] of refs.entries()) expect(await scanned(partition)).toEqual([`k=${i}`])
      expect(await scanned({ ...ref, dayOf: DAY + DAY_MS - 1 })).toEqual(['k=0'])
    })

    it('scans a range in order of the UTF-8 bytes of its keys, from inclusive, to exclusive', async () => {
      let runs = 0
      const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '\u0000', 'é', '\uffff', '𝄞', '~'), maxLength: 4 })
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(key, { maxLength: 20 }), key, key, async (keys, from, to) => {
          // Not every engine lets go of rows when it is told to.
          const own = { ...ref, partitionKey: `keys/${runs++}` }
          await store.put(keys.map((text) => row(own, text, text)))
          const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
          const expected = keys.sort(compare).filter((text) => compare(text, from) >= 0 && compare(text, to) < 0)
          expect(await scanned(own, { from, to })).toEqual(expected.map((text) => `${text}=${text}`))
        }),
        { numRuns: 40 },
      )
    })

    it('scans more than fits a batch, while rows are put', async () => {
      const keys = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(4, '0'))
      await store.put(keys.map((own) => row(ref, own, own)))
      const seen: string[] = []
      let batches = 0
      for await (const batch of store.scan(ref)) {
        batches++
        seen.push(...batch.map(({ clusteringKey }) => clusteringKey))
        await store.put([row(ref, `0000-${batches}`, 'new')])
      }
      expect(seen.filter((own) => !own.includes('-'))).toEqual(keys)
      expect(batches).toBeGreaterThan(1)
    })

    it('replaces a row only if it holds what was expected', async () => {
      expect(await store.compareAndSet(meta, 'v', null, bytes('1'))).toBe(true)
      expect(await store.compareAndSet(meta, 'v', null, bytes('2'))).toBe(false)
      expect(await store.compareAndSet(meta, 'v', bytes('2'), bytes('3'))).toBe(false)
      expect(await store.compareAndSet(meta, 'w', bytes('1'), bytes('3'))).toBe(false)
      expect(await store.compareAndSet(meta, 'v', bytes('1'), bytes(''))).toBe(true)
      expect(await store.compareAndSet(meta, 'v', null, bytes('4'))).toBe(false)
      expect(await store.compareAndSet(meta, 'v', bytes(''), bytes('5'))).toBe(true)
      expect(await scanned(meta)).toEqual(['v=5'])
    })

    it('lets one of several win that replace a row at once', async () => {
      for (const expected of [null, bytes('0')]) {
        const outcomes = await Promise.all(Array.from({ length: 8 }, (_, i) => store.compareAndSet(meta, 'v', expected, bytes(`${i}!`))))
        expect(outcomes.filter(Boolean)).toHaveLength(1)
        expect(await scanned(meta)).toEqual([`v=${outcomes.indexOf(true)}!`])
        await store.put([row(meta, 'v', '0')])
      }
    })

    it('holds what was put after a restart', async () => {
      await store.put([row(ref, 'a', 'one'), row(meta, 'b', 'two')])
      await store.close()
      store = await engine.open()
      expect([await scanned(ref), await scanned(meta)]).toEqual([['a=one'], ['b=two']])
    })

    it('lets go of a range, and of days that are over', async () => {
      if (!engine.letsGoAtOnce) return
      await store.put(['a', 'b', 'c', 'd'].map((own) => row(ref, own, own)))
      await store.drop(ref, { from: 'b', to: 'd' })
      expect(await scanned(ref)).toEqual(['a=a', 'd=d'])
      await store.drop({ ...ref, partitionKey: 'none' }, { from: '', to: 'z' })
      await store.put([row({ ...ref, dayOf: DAY - 1 }, 'y', 'y'), row(meta, 'm', 'm')])
      await store.expire(DAY + DAY_MS - 1)
      expect([await scanned({ ...ref, dayOf: DAY - 1 }), await scanned(ref)]).toEqual([[], ['a=a', 'd=d']])
      await store.expire(DAY + DAY_MS)
      expect([await scanned(ref), await scanned(meta)]).toEqual([[], ['m=m']])
      await store.put([row(ref, 'again', '1')])
      expect(await scanned(ref)).toEqual(['again=1'])
    })
  })
}
