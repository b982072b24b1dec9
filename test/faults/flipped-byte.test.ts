import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { decodeHeader } from '../../src/engines/embedded/log/frame.ts'
import { nextFrame } from '../../src/engines/embedded/log/segment-file.ts'
import { type Sample, ServerProcess } from './support/server.ts'

const nowMs = Date.now()
const METRICS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta']
const SERIES = 30

let data: string
let server: ServerProcess | null = null

beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'tidemark-flip-'))
  server = await ServerProcess.start(data)
  for (const metric of METRICS) {
    const push = Array.from(
      { length: SERIES },
      (_, i): Sample => ({ labels: { __name__: metric, i: String(i) }, timeMs: nowMs, value: sent(metric, i) }),
    )
    expect((await server.push(push)).status).toBe(200)
  }
})

afterEach(async () => {
  await server?.kill()
  server = null
  rmSync(data, { recursive: true, force: true })
})

function sent(metric: string, i: number): number {
  return METRICS.indexOf(metric) * 1000 + i + 0.25
}

/** Flips one bit in place: no other byte, no time of the file matters. */
function flip(file: string, byte: number): void {
  const descriptor = openSync(file, 'r+')
  const one = Buffer.alloc(1)
  readSync(descriptor, one, 0, 1, byte)
  one[0]! ^= 0x10
  writeSync(descriptor, one, 0, 1, byte)
  closeSync(descriptor)
}

/** What each metric is answered with: all its samples, none, or an error's text. Anything else is wrong data, and fails. */
async function answers(): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const metric of METRICS) {
    const answer = await server!.query(metric, nowMs)
    if (typeof answer === 'string') {
      found[metric] = answer
      continue
    }
    for (const [i, value] of answer) expect([metric, i, value]).toEqual([metric, i, sent(metric, Number(i))])
    found[metric] = answer.size === SERIES ? 'all' : answer.size === 0 ? 'none' : `${answer.size} of ${SERIES}`
  }
  return found
}

const whole = Object.fromEntries(METRICS.map((metric) => [metric, 'all']))

/** A stored value of the block store, as it lies in its file. */
function placeOf(file: string, where: string): { byte: number; length: number; key: string } {
  const database = new DatabaseSync(file, { readOnly: true })
  const row = database
    .prepare(`SELECT k.pk AS pk, r.ck AS ck, r.value AS value FROM keys k JOIN rows r ON r.key = k.id WHERE ${where} LIMIT 1`)
    .get()
  database.close()
  if (row === undefined) throw new Error(`no row ${where} in ${file}`)
  const value = row.value as Uint8Array
  const byte = readFileSync(file).indexOf(value)
  if (byte < 0) throw new Error('the value does not lie in one piece')
  return { byte, length: value.length, key: String(row.ck) }
}

describe('a flipped byte', () => {
  it('in the log is named, costs what the record held, and nothing else', async () => {
    // These refer to declarations of records before, the damaged one among them.
    const later = METRICS.flatMap((metric) =>
      Array.from({ length: SERIES }, (_, i): Sample => ({ labels: { __name__: metric, i: String(i) }, timeMs: nowMs + 1, value: 7 })),
    )
    expect((await server!.push(later)).status).toBe(200)
    await server!.kill()
    const file = join(data, 'log/tidemark.samples/0000000001.log')
    const bytes = readFileSync(file)
    const frames: { at: number; bytes: number }[] = []
    for (let at = 0; ; ) {
      const header = decodeHeader(bytes, at)
      if (header === null || header === 'short') break
      frames.push({ at, bytes: header.frameBytes })
      at = nextFrame(at, header)
    }
    expect(frames).toHaveLength(METRICS.length + 1)
    const { at, bytes: length } = frames[2]!
    flip(file, at + length - 20)
    server = await ServerProcess.start(data)
    expect(await answers()).toEqual({ ...whole, gamma: 'none' })
    expect(server.printed).toContain(`0000000001.log is damaged at byte ${at}`)
    expect(await server.query('count by (__name__) ({__name__=~".+"} == 7)', nowMs + 1, '__name__')).toEqual(
      new Map(METRICS.filter((metric) => metric !== 'gamma').map((metric) => [metric, SERIES])),
    )
    expect(server.printed).toContain('samples refer to series whose declaration the log does not hold')
    expect((await server.push([{ labels: { __name__: 'eta', i: '0' }, timeMs: nowMs, value: 1 }])).status).toBe(200)
    expect(await server.query('eta', nowMs)).toEqual(new Map([['0', 1]]))
  }, 30_000)

  it('in a sealed page makes its metric an error that names file and row; others are answered', async () => {
    expect(await server!.seal()).toBe(200)
    expect(await server!.stop()).toBe(0)
    const file = dayFile()
    const { byte, length, key } = placeOf(file, "k.tab = 'raw' AND k.pk LIKE '%/delta'")
    flip(file, byte + (length >> 1))
    server = await ServerProcess.start(data)
    const { delta, ...others } = await answers()
    expect(delta).toContain(file)
    expect(delta).toContain(key)
    expect(delta).toContain('bad checksum')
    expect({ ...others, delta: 'all' }).toEqual(whole)
  }, 30_000)

  for (const [table, what] of [
    ['checkpoints', 'a checkpoint'],
    ['sessions', 'what the log refers to'],
  ]) {
    it(`in ${what} in meta.db is named, read from the log again, and costs no data`, async () => {
      expect(await server!.stop()).toBe(0)
      const file = join(data, 'blocks/meta.db')
      const { byte, length } = placeOf(file, `k.tab = '${table}'`)
      flip(file, byte + (length >> 1))
      server = await ServerProcess.start(data)
      expect(await answers()).toEqual(whole)
      expect(server.printed).toContain(file)
      expect(server.printed).toContain('bad checksum')
      expect(await server.seal()).toBe(200)
      await server.kill()
      server = await ServerProcess.start(data)
      expect(await answers()).toEqual(whole)
      expect(server.printed).not.toContain('bad checksum')
    }, 30_000)
  }

  it('in the list of series of a day is named; series come back with their next sample, and their past with them', async () => {
    expect(await server!.stop()).toBe(0)
    const { byte, length } = placeOf(dayFile(), "k.tab = 'series'")
    flip(dayFile(), byte + (length >> 1))
    server = await ServerProcess.start(data)
    const counts = async () => {
      const answer = await server!.query('count by (__name__) ({__name__=~".+"})', nowMs, '__name__')
      if (typeof answer === 'string') throw new Error(answer)
      return answer
    }
    const known = [...(await counts()).values()].reduce((sum, count) => sum + count, 0)
    expect(known).toBeGreaterThan(0)
    expect(known).toBeLessThan(METRICS.length * SERIES)
    expect(server.printed).toContain(dayFile())
    expect(server.printed).toContain('bad checksum')
    await answers()
    for (const metric of METRICS) {
      const push = Array.from(
        { length: SERIES },
        (_, i): Sample => ({ labels: { __name__: metric, i: String(i) }, timeMs: nowMs + 1, value: 0 }),
      )
      expect((await server.push(push)).status).toBe(200)
    }
    expect(await answers()).toEqual(whole)
  }, 30_000)
})

function dayFile(): string {
  const name = readdirSync(join(data, 'blocks')).find((file) => /^\d{4}-\d\d-\d\d\.db$/.test(file))
  return join(data, 'blocks', String(name))
}
