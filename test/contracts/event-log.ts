import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { EventLog } from '../../src/domain/ports/event-log.ts'
import { readAll, readUpTo, record } from './support/log-records.ts'

/** One topic of four partitions, empty at first, of one engine. */
export interface EventLogEngine {
  /** Opens the topic; again after a `close`, it is the same topic. */
  open(): Promise<EventLog>
  /** Whether `trim` lets records go at once once enough newer ones stand behind them. */
  readonly trimsAfterRecords: number
  dispose(): Promise<void>
}

/** What every event log must do. */
export function eventLogContract(name: string, makeEngine: () => Promise<EventLogEngine>): void {
  describe(`event log contract: ${name}`, () => {
    let engine: EventLogEngine
    let log: EventLog

    beforeEach(async () => {
      engine = await makeEngine()
      log = await engine.open()
    })

    afterEach(async () => {
      await log.close()
      await engine.dispose()
    })

    const allFromZero = () => new Map(Array.from({ length: log.partitionCount }, (_, partition) => [partition, 0]))

    it('is empty at first', async () => {
      expect(log.partitionCount).toBe(4)
      expect([...(await log.ends())]).toEqual([...allFromZero()])
      expect([...(await log.starts())]).toEqual([...allFromZero()])
    })

    it('returns the next offset of each partition that was written', async () => {
      expect(await log.append([record(0, 'a'), record(2, 'b'), record(0, 'c')])).toEqual(
        new Map([
          [0, 2],
          [2, 1],
        ]),
      )
      expect(await log.append([record(2, 'd')])).toEqual(new Map([[2, 2]]))
      expect(await log.ends()).toEqual(
        new Map([
          [0, 2],
          [1, 0],
          [2, 2],
          [3, 0],
        ]),
      )
    })

    it('gives back headers and payloads, bytes untouched, empty ones and large ones too', async () => {
      const large = new Uint8Array(300_000).map((_, i) => (i * 7919) >>> 5)
      const every = Uint8Array.from({ length: 256 }, (_, i) => i)
      const headers = { 'content-type': 'x/y', ключ: 'значение 🌊', empty: '' }
      await log.append([
        { partition: 1, headers, payload: every },
        { partition: 1, headers: {}, payload: new Uint8Array(0) },
        { partition: 1, headers: {}, payload: large },
      ])
      const held: [object, Buffer][] = []
      for await (const batch of log.read(new Map([[1, 0]]), new AbortController().signal)) {
        for (const { headers: own, payload } of batch.records) held.push([own, Buffer.from(payload)])
        if (held.length === 3) break
      }
      expect(held[0]).toEqual([headers, Buffer.from(every)])
      expect(held[1]).toEqual([{}, Buffer.alloc(0)])
      expect(held[2]![1].equals(Buffer.from(large))).toBe(true)
    })

    it('keeps the order of appends within a partition, however many are under way at once', async () => {
      const appends = Array.from({ length: 200 }, (_, i) => log.append([record(i % 4, `${i}`), record((i + 1) % 4, `${i}+`)]))
      const reached = await Promise.all(appends)
      const records = await readAll(log)
      expect(records).toHaveLength(400)
      for (let i = 0; i < 200; i++) {
        const own = (reached[i] as ReadonlyMap<number, number>).get(i % 4) as number
        expect(records).toContain(`${i % 4}@${own - 1}=${i}`)
      }
      for (let partition = 0; partition < 4; partition++) {
        const order = records
          .filter((text) => text.startsWith(`${partition}@`))
          .map((text) => Number.parseInt(text.split('=')[1] as string, 10))
        expect(order).toEqual([...order].sort((a, b) => a - b))
      }
    })

    it('fails an append whole when one of its partitions is refused', async () => {
      await log.append([record(0, 'before')])
      await expect(log.append([record(0, 'a'), record(9, 'b')])).rejects.toMatchObject({ name: 'EngineError' })
      await log.append([record(0, 'after')])
      expect(await readAll(log)).toEqual(['0@0=before', '0@1=after'])
    })

    it('reads from a position, and only the partitions that are asked for', async () => {
      for (let i = 0; i < 10; i++) await log.append([record(0, `a${i}`), record(1, `b${i}`)])
      const { records } = await readUpTo(
        log,
        new Map([
          [0, 7],
          [1, 9],
        ]),
      )
      expect(records.sort()).toEqual(['0@7=a7', '0@8=a8', '0@9=a9', '1@9=b9'])
      expect((await readUpTo(log, new Map([[1, 8]]))).records).toEqual(['1@8=b8', '1@9=b9'])
    })

    it('waits for what is appended later, and ends when its signal aborts', async () => {
      const ending = new AbortController()
      const seen: string[] = []
      const reading = (async () => {
        for await (const batch of log.read(allFromZero(), ending.signal)) {
          for (const { payload } of batch.records) seen.push(Buffer.from(payload).toString())
          if (seen.length === 3) ending.abort()
        }
      })()
      for (const text of ['x', 'y', 'z']) await log.append([record(3, text)])
      await reading
      expect(seen).toEqual(['x', 'y', 'z'])
    })

    it('ends a read that waits when its signal aborts', async () => {
      const ending = new AbortController()
      const reading = log.read(allFromZero(), ending.signal)[Symbol.asyncIterator]().next()
      ending.abort()
      expect((await reading).done).toBe(true)
    })

    it('refuses to read from beyond its end', async () => {
      await log.append([record(0, 'a')])
      const reading = log
        .read(new Map([[0, 2]]), new AbortController().signal)
        [Symbol.asyncIterator]()
        .next()
      await expect(reading).rejects.toMatchObject({ code: 'LOG_OFFSET', retryable: false })
    })

    it('goes on after a restart where it was', async () => {
      await log.append([record(0, 'a'), record(1, 'b')])
      await log.close()
      log = await engine.open()
      expect(await log.append([record(0, 'c')])).toEqual(new Map([[0, 2]]))
      expect((await readAll(log)).sort()).toEqual(['0@0=a', '0@1=c', '1@0=b'])
    })

    it('reports what was let go of as a gap, once, and reads on behind it', async () => {
      for (let i = 0; i < engine.trimsAfterRecords; i++) await log.append([record(0, `${i}`.padEnd(100, '.')), record(1, 'x')])
      const end = engine.trimsAfterRecords
      await log.trim(
        new Map([
          [0, end],
          [1, end],
          [2, 0],
          [3, 0],
        ]),
      )
      const start = (await log.starts()).get(0) as number
      expect(start).toBeGreaterThan(0)
      expect(start).toBeLessThanOrEqual(end)
      const { records, gaps } = await readUpTo(log, new Map([[0, 0]]))
      expect(gaps).toEqual([{ partition: 0, from: 0, to: start }])
      expect(records).toHaveLength(end - start)
      await log.close()
      log = await engine.open()
      expect((await log.starts()).get(0)).toBe(start)
      expect((await log.ends()).get(0)).toBe(end)
    })

    it('keeps what is not below the trim, in every partition', async () => {
      for (let i = 0; i < engine.trimsAfterRecords; i++) await log.append([record(0, `${i}`.padEnd(100, '.')), record(1, 'x')])
      await log.trim(
        new Map([
          [0, engine.trimsAfterRecords],
          [1, 0],
        ]),
      )
      expect((await readUpTo(log, new Map([[1, 0]]))).gaps).toEqual([])
      const middle = Math.floor(engine.trimsAfterRecords / 2)
      await log.trim(
        new Map([
          [0, middle],
          [1, middle],
        ]),
      )
      expect((await log.starts()).get(1)).toBeLessThanOrEqual(middle)
      expect((await readUpTo(log, new Map([[1, middle]]))).gaps).toEqual([])
    })
  })
}
