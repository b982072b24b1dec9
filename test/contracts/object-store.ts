import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { EngineError } from '../../src/domain/errors.ts'
import type { ObjectInfo, ObjectStore } from '../../src/domain/ports/object-store.ts'
import { SeededRandom } from '../support/virtual-clock.ts'

export interface ObjectStoreEngine {
  /** Opens the store; again after a `close`, it is the same store. */
  open(): Promise<ObjectStore>
  /** What is there that no reader sees: half written files, uploads that were begun. */
  hidden(): Promise<readonly string[]>
  /** How many objects the test of pages puts. */
  readonly pagedObjects: number
  dispose(): Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const random = new SeededRandom(7)
/** Its period is no divisor of a part's length: parts in the wrong order are seen. */
const PATTERN = random.bytes(4097)
const large = (size: number) => new Uint8Array(Buffer.alloc(size, PATTERN))

async function* pieces(body: Uint8Array, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  // One buffer for all of them: a piece is the store's only until it asks for the next.
  const buffer = new Uint8Array(size)
  for (let at = 0; at < body.length; at += size) {
    const count = Math.min(size, body.length - at)
    buffer.set(body.subarray(at, at + count))
    yield buffer.subarray(0, count)
    buffer.fill(0xee)
  }
}

/** What every object store must do. */
export function objectStoreContract(name: string, makeEngine: () => Promise<ObjectStoreEngine>): void {
  describe(`object store contract: ${name}`, () => {
    let engine: ObjectStoreEngine
    let store: ObjectStore
    let count = 0
    /** Each test has its own keys: making a bucket for each would be slow. */
    let base: string

    beforeAll(async () => {
      engine = await makeEngine()
    })
    beforeEach(async () => {
      store = await engine.open()
      base = `test-${count++}/`
    })
    afterEach(() => store.close())
    afterAll(() => engine?.dispose())

    const listed = async (prefix: string, after?: string): Promise<ObjectInfo[]> => {
      const found: ObjectInfo[] = []
      for await (const page of store.list(prefix, after)) found.push(...page)
      return found
    }
    const keys = async (prefix: string, after?: string) => (await listed(prefix, after)).map(({ key }) => key.slice(base.length))
    const text = async (key: string) => {
      const read = await store.read(key)
      return read === null ? null : Buffer.from(read).toString()
    }

    it('has nothing at first', async () => {
      expect([await store.read(`${base}a`), await store.stat(`${base}a`), await listed(base)]).toEqual([null, null, []])
      expect(await store.read(`${base}a`, { start: 3, end: 5 })).toBeNull()
      expect(await store.read(`${base}a`, { start: 3, end: 3 })).toBeNull()
    })

    it('stores an object once, and tells what it is', async () => {
      const before = Date.now()
      expect(await store.putIfAbsent(`${base}a/b`, bytes('one'))).toBe('created')
      expect(await store.putIfAbsent(`${base}a/b`, bytes('two'))).toBe('exists')
      expect(await store.putIfAbsent(`${base}a/b`, bytes('one'))).toBe('exists')
      expect(await text(`${base}a/b`)).toBe('one')
      const info = await store.stat(`${base}a/b`)
      expect(info).toEqual({ key: `${base}a/b`, bytes: 3, modifiedMs: expect.any(Number) })
      // S3 tells whole seconds.
      expect(info!.modifiedMs).toBeGreaterThan(before - 2000)
      expect(info!.modifiedMs).toBeLessThan(Date.now() + 2000)
      expect(await listed(base)).toEqual([info])
    })

    it('stores empty objects, given whole or in no pieces', async () => {
      expect(await store.putIfAbsent(`${base}whole`, new Uint8Array())).toBe('created')
      expect(await store.putIfAbsent(`${base}pieces`, pieces(new Uint8Array(), 1))).toBe('created')
      for (const key of [`${base}whole`, `${base}pieces`]) {
        expect([await text(key), (await store.stat(key))?.bytes]).toEqual(['', 0])
        expect(await store.read(key, { start: 0, end: 1 })).toHaveLength(0)
      }
      expect(await store.putIfAbsent(`${base}whole`, bytes('x'))).toBe('exists')
    })

    it('lets exactly one of 20 create an object, with the same bytes or others', async () => {
      for (const own of [(i: number) => `${i}`, () => 'same']) {
        const key = `${base}race-${own(1)}`
        const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => store.putIfAbsent(key, bytes(own(i)))))
        expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
        expect(outcomes.filter((outcome) => outcome === 'exists')).toHaveLength(19)
        expect(await text(key)).toBe(own(outcomes.indexOf('created')))
      }
      expect(await engine.hidden()).toEqual([])
    })

    it('takes 20 MiB in pieces whose memory is used again, and lets one of several win', async () => {
      const bodies = [large(20 * 2 ** 20 + 17), large(17 * 2 ** 20)]
      const outcomes = await Promise.all(
        bodies.map((body, i) => store.putIfAbsent(`${base}large`, pieces(body, i === 0 ? 70_001 : 2 ** 20))),
      )
      expect([...outcomes].sort()).toEqual(['created', 'exists'])
      const body = bodies[outcomes.indexOf('created')]!
      expect(Buffer.compare((await store.read(`${base}large`))!, body)).toBe(0)
      // Over an edge between parts, as they went up.
      const edge = 8 * 2 ** 20
      expect(await store.read(`${base}large`, { start: edge - 3, end: edge + 4 })).toEqual(body.slice(edge - 3, edge + 4))
      expect((await store.stat(`${base}large`))?.bytes).toBe(body.length)
      expect(await store.putIfAbsent(`${base}large`, bodies[1]!)).toBe('exists')
      expect(await engine.hidden()).toEqual([])
    })

    it('takes a large object in one piece, of exactly two parts', async () => {
      const body = large(16 * 2 ** 20)
      expect(await store.putIfAbsent(`${base}two`, body)).toBe('created')
      expect(Buffer.compare((await store.read(`${base}two`))!, body)).toBe(0)
    })

    it('reads ranges as a slice does', async () => {
      const body = random.bytes(100)
      await store.putIfAbsent(`${base}r`, body)
      const edge = fc.oneof(fc.constantFrom(0, 1, 50, 99, 100, 101, 1000), fc.nat(120))
      await fc.assert(
        fc.asyncProperty(edge, edge, async (start, end) => {
          expect(Buffer.from((await store.read(`${base}r`, { start, end }))!)).toEqual(Buffer.from(body.slice(start, Math.max(start, end))))
        }),
        {
          numRuns: 60,
          examples: [
            [0, 0],
            [100, 101],
            [99, 100],
            [0, 100],
            [101, 200],
            [5, 3],
          ],
        },
      )
    })

    it('lists by prefix, in order of the UTF-8 bytes of keys, after a key', async () => {
      const names = ['a!b', 'a/x', 'a/y/z', 'a0', 'ab', 'b/1', 'b/10', 'b/2', 'z', 'é', '\ufffd', '𝄞']
      for (const own of names) expect(await store.putIfAbsent(base + own, bytes(own))).toBe('created')
      expect(await keys(base)).toEqual(names)
      expect(await keys(`${base}a`)).toEqual(['a!b', 'a/x', 'a/y/z', 'a0', 'ab'])
      expect(await keys(`${base}a/`)).toEqual(['a/x', 'a/y/z'])
      expect(await keys(`${base}a/y`)).toEqual(['a/y/z'])
      expect(await keys(`${base}b/1`)).toEqual(['b/1', 'b/10'])
      expect(await keys(`${base}c`)).toEqual([])
      expect(await keys(`${base}a/x/`)).toEqual([])
      for (const after of [...names, 'a', 'a/', 'a/x0', 'a/y', 'a/y/', 'b/1\u{10ffff}', '~']) {
        const later = names.filter((own) => Buffer.compare(Buffer.from(own), Buffer.from(after)) > 0)
        expect([after, await keys(base, base + after)]).toEqual([after, later])
        expect(await keys(`${base}a/`, base + after)).toEqual(later.filter((own) => own.startsWith('a/')))
      }
      expect((await listed(base)).map((info) => info.bytes)).toEqual(names.map((own) => Buffer.byteLength(own)))
    })

    it('lists page by page, every key once', async () => {
      const made = Array.from({ length: engine.pagedObjects }, (_, i) => `${i % 7}/${String(i).padStart(5, '0')}`)
      for (let at = 0; at < made.length; at += 100) {
        await Promise.all(made.slice(at, at + 100).map((own) => store.putIfAbsent(base + own, bytes(own))))
      }
      const pages: number[] = []
      const seen: string[] = []
      for await (const page of store.list(base)) {
        pages.push(page.length)
        seen.push(...page.map(({ key }) => key.slice(base.length)))
      }
      expect(seen).toEqual([...made].sort())
      expect(pages.length).toBeGreaterThan(1)
      expect(await keys(base, base + seen.at(-3))).toEqual(seen.slice(-2))
    })

    it('takes any characters in keys but those that no store could keep', async () => {
      const odd = [
        'a b+c',
        '100%',
        '%41',
        'x&y<z>"\'',
        '*?[]{}',
        'back\\slash',
        '.hidden',
        '.crc',
        '..a',
        'tier=raw',
        'ключ',
        '名',
        '~',
        'a:b',
        '#',
      ]
      for (const own of odd) expect([own, await store.putIfAbsent(base + own, bytes(own))]).toEqual([own, 'created'])
      for (const own of odd) expect(await text(base + own)).toBe(own)
      expect((await keys(base)).sort()).toEqual([...odd].sort())
      const impossible = [
        '',
        '/a',
        'a/',
        'a//b',
        '.',
        'a/../b',
        'nul\0',
        'line\n',
        '\ud800',
        'k'.repeat(241),
        `${'k'.repeat(100)}/`.repeat(11),
      ]
      for (const own of impossible) {
        for (const call of [store.putIfAbsent(own, bytes('x')), store.read(own), store.stat(own), store.delete(own)]) {
          await expect(call).rejects.toMatchObject({ code: 'OBJECT_KEY', retryable: false })
        }
      }
      expect(await store.putIfAbsent(base + 'k'.repeat(240), bytes('long'))).toBe('created')
    })

    it('deletes, and can put again what was deleted', async () => {
      await store.putIfAbsent(`${base}d/e/f`, bytes('one'))
      await store.putIfAbsent(`${base}d/g`, bytes('two'))
      await store.delete(`${base}d/e/f`)
      await store.delete(`${base}d/e/f`)
      await store.delete(`${base}d/e`)
      await store.delete(`${base}none/at/all`)
      expect([await text(`${base}d/e/f`), await keys(base)]).toEqual([null, ['d/g']])
      expect(await store.putIfAbsent(`${base}d/e/f`, bytes('three'))).toBe('created')
      expect(await text(`${base}d/e/f`)).toBe('three')
    })

    it('puts and deletes the same keys at once without losing what stands', async () => {
      const key = `${base}busy/one`
      await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          if (i % 3 === 0) await store.delete(key)
          else await store.putIfAbsent(key, bytes(`${i % 2}`))
        }),
      )
      await store.putIfAbsent(key, bytes('2'))
      expect(['0', '1', '2']).toContain(await text(key))
      expect(await keys(base)).toEqual(['busy/one'])
    })

    it('leaves nothing of a body that ends in a failure, and says which', async () => {
      for (const size of [100, 9 * 2 ** 20, 40 * 2 ** 20]) {
        const failing = async function* () {
          for (let at = 0; at < size; at += 2 ** 20) yield new Uint8Array(Math.min(2 ** 20, size))
          throw new RangeError('the body broke')
        }
        await expect(store.putIfAbsent(`${base}broken`, failing())).rejects.toThrow(new RangeError('the body broke'))
        expect([await store.stat(`${base}broken`), await listed(base), await engine.hidden()]).toEqual([null, [], []])
      }
      expect(await store.putIfAbsent(`${base}broken`, bytes('whole'))).toBe('created')
    })

    it('ends a body early when the object is there already', async () => {
      await store.putIfAbsent(`${base}there`, bytes('x'))
      let ended = false
      const body = async function* () {
        try {
          for (let i = 0; i < 40; i++) yield new Uint8Array(2 ** 20)
        } finally {
          ended = true
        }
      }
      expect([await store.putIfAbsent(`${base}there`, body()), ended || 'not asked for']).toEqual(['exists', expect.anything()])
      expect(await text(`${base}there`)).toBe('x')
    })

    it('holds what was put after a restart', async () => {
      await store.putIfAbsent(`${base}kept`, bytes('kept'))
      await store.close()
      store = await engine.open()
      expect([await text(`${base}kept`), await keys(base)]).toEqual(['kept', ['kept']])
      expect(await store.putIfAbsent(`${base}kept`, bytes('other'))).toBe('exists')
    })

    it('says when it is closed', async () => {
      const closed = await engine.open()
      await closed.close()
      if (closed === store) return
      await expect(closed.read(`${base}a`)).rejects.toThrow(EngineError)
    })
  })
}
