import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { EmbeddedLogWriter } from '../../../../src/engines/embedded/log/log-writer.ts'
import { readAll, record } from '../../../contracts/support/log-records.ts'
import { MemoryFs, type Operation, seeded } from '../../../contracts/support/memory-fs.ts'

const clock = { nowMs: () => 1_800_000_000_000 }

const open = (fs: MemoryFs, segmentBytes = 2048, extra: { bytesInFlightMax?: number } = {}) =>
  EmbeddedLogWriter.open({ folder: 'log', topic: 'test', partitionCount: 2, clock, fs, segmentBytes, ...extra })

function failing(code: string, operations: readonly Operation[]): (operation: Operation) => void {
  return (operation) => {
    if (operations.includes(operation)) throw Object.assign(new Error(`${code}: injected`), { code })
  }
}

describe('a failing disk', () => {
  const cases: [string, string, Operation[]][] = [
    ['full while writing', 'ENOSPC', ['write']],
    ['failing while writing', 'EIO', ['write']],
    ['failing while syncing', 'EIO', ['datasync']],
    ['read-only', 'EROFS', ['write', 'open', 'rename', 'remove']],
    ['full while a segment is begun', 'ENOSPC', ['open', 'rename', 'syncFolder']],
  ]
  for (const [what, code, operations] of cases) {
    it(`${what}: appends are refused as retryable, reads go on, and it recovers by itself`, async () => {
      const fs = new MemoryFs(seeded(7))
      const log = await open(fs)
      const expected: string[] = []
      const append = async (text: string) => {
        const reached = await log.append([record(0, text)])
        expected.push(`0@${(reached.get(0) as number) - 1}=${text}`)
      }
      for (let i = 0; i < 20; i++) await append(`before ${i}`.padEnd(80, '.'))
      fs.fault = failing(code, operations)
      let refused = 0
      for (let i = 0; i < 40; i++) {
        await append(`during ${i}`.padEnd(80, '.')).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'EngineError', code: 'LOG_UNWRITABLE', retryable: true })
          refused++
        })
      }
      expect(refused).toBeGreaterThan(0)
      fs.fault = () => {}
      expect(await readAll(log)).toEqual(expected)
      for (let i = 0; i < 40; i++) await append(`after ${i}`.padEnd(80, '.'))
      expect(await readAll(log)).toEqual(expected)
      await log.close()
      const again = await open(fs)
      expect(again.findings).toEqual([])
      expect(await readAll(again)).toEqual(expected)
      await again.close()
    })
  }

  it('full while a file is made ahead leaves no half file, and harms nobody while the segment has room', async () => {
    const fs = new MemoryFs(seeded(7))
    const log = await open(fs, 4096)
    await log.append([record(0, 'first')])
    fs.fault = (operation, path) => {
      if (operation === 'write' && path.includes('spare')) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    }
    for (let i = 0; i < 10; i++) await log.append([record(0, `${i}`)])
    await log.close()
    expect((await fs.list('log')).filter((name) => name.startsWith('spare') && fs.bytes(`log/${name}`).length !== 4096)).toEqual([])
  })

  it('refuses at once what is beyond the bytes in flight, and takes more when they are written', async () => {
    const log = await open(new MemoryFs(), 2048, { bytesInFlightMax: 1000 })
    const texts = Array.from({ length: 10 }, (_, i) => `${i}`.padEnd(200, '.'))
    const outcomes = await Promise.allSettled(texts.map((text) => log.append([record(0, text)])))
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused.length).toBeGreaterThan(5)
    for (const { reason } of refused) expect(reason).toMatchObject({ code: 'LOG_BUSY', retryable: true })
    expect(await readAll(log)).toHaveLength(10 - refused.length)
    await log.append([record(0, 'more')])
    expect(log.stats().bytesInFlight).toBe(0)
    await log.close()
  })
})

type Step =
  | {
      readonly kind: 'append'
      readonly records: readonly { readonly partition: number; readonly bytes: number }[]
      readonly together: number
      readonly wait: boolean
    }
  | { readonly kind: 'fail'; readonly operation: Operation; readonly after: number; readonly times: number }
  | { readonly kind: 'trim'; readonly share: number }
  | { readonly kind: 'kill' | 'powerLoss' | 'close' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      records: fc.array(fc.record({ partition: fc.integer({ min: 0, max: 1 }), bytes: fc.integer({ min: 0, max: 900 }) }), {
        minLength: 1,
        maxLength: 5,
      }),
      together: fc.integer({ min: 1, max: 3 }),
      wait: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      operation: fc.constantFrom<Operation>('write', 'datasync', 'open', 'rename', 'syncFolder'),
      after: fc.integer({ min: 0, max: 3 }),
      times: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('trim' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('kill' as const, 'powerLoss' as const, 'close' as const) }) },
)

/** Runs steps against a disk that forgets, and holds what was promised against what is read. */
class Model {
  fs: MemoryFs
  log!: EmbeddedLogWriter
  /** `partition@offset` -> text, of everything that was acknowledged, or read after a restart. */
  readonly promised = new Map<string, string>()
  readonly sent = new Set<string>()
  #serial = 0
  /** Appends under way when the power went, or the process. */
  #pending: Promise<unknown>[] = []

  constructor(seed: number) {
    this.fs = new MemoryFs(seeded(seed))
  }

  async start(): Promise<void> {
    this.log = await open(this.fs)
    expect(this.log.findings.filter(({ kind }) => kind !== 'torn-tail')).toEqual([])
    await this.check()
  }

  async run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'append': {
        const appends = Array.from({ length: step.together }, () => this.#append(step.records))
        // A kill that follows may come before the appends are through.
        this.#pending = appends
        if (step.wait) await appends[0]
        // Somewhere on its way to the disk.
        else for (let turn = 0; turn < step.together * 7; turn++) await undefined
        return
      }
      case 'fail': {
        let left = step.after
        let times = step.times
        this.fs.fault = (operation) => {
          if (operation !== step.operation || left-- > 0 || times-- <= 0) return
          throw Object.assign(new Error('EIO: injected'), { code: 'EIO' })
        }
        return
      }
      case 'trim': {
        await Promise.allSettled(this.#pending)
        const [starts, ends] = [await this.log.starts(), await this.log.ends()]
        const before = new Map(
          [...starts].map(([partition, start]) => [partition, Math.floor(start + step.share * ((ends.get(partition) as number) - start))]),
        )
        return this.log.trim(before).catch(() => {})
      }
      case 'close':
        await Promise.allSettled(this.#pending)
        await this.log.close()
        this.fs.processKilled()
        return this.start()
      case 'kill':
      case 'powerLoss': {
        // The old program goes on in its own world; what it is told from now on counts no more.
        this.#pending = []
        this.#era++
        this.fs = step.kind === 'kill' ? this.fs.frozen() : this.fs.powerLoss()
        return this.start()
      }
    }
  }

  #era = 0

  async #append(shapes: readonly { partition: number; bytes: number }[]): Promise<void> {
    const era = this.#era
    const texts = shapes.map(({ bytes }) => `${this.#serial++}`.padEnd(bytes, '.'))
    for (const text of texts) this.sent.add(text)
    const records = shapes.map(({ partition }, i) => record(partition, texts[i] as string))
    const reached = await this.log.append(records).catch(() => null)
    if (reached === null || era !== this.#era) return
    const next = new Map(reached)
    for (const { partition, payload } of [...records].reverse()) {
      const offset = (next.get(partition) as number) - 1
      next.set(partition, offset)
      this.promised.set(`${partition}@${offset}`, Buffer.from(payload).toString())
    }
  }

  async check(): Promise<void> {
    const held = await readAll(this.log)
    const starts = await this.log.starts()
    const seen = new Set<string>()
    const byPlace = new Map<string, string>()
    for (const line of held) {
      const [place, text] = line.split('=') as [string, string]
      expect(this.sent.has(text)).toBe(true)
      expect(seen.has(text)).toBe(false)
      seen.add(text)
      byPlace.set(place, text)
    }
    for (const [place, text] of this.promised) {
      const [partition, offset] = place.split('@').map(Number) as [number, number]
      if (offset >= (starts.get(partition) as number)) expect(byPlace.get(place)).toBe(text)
    }
    for (const [place, text] of byPlace) this.promised.set(place, text)
  }
}

describe('power loss, kills and failures in any order', () => {
  it('lose nothing that was acknowledged or read, double nothing, invent nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.array(step, { minLength: 5, maxLength: 40 }), async (seed, steps) => {
        const model = new Model(seed)
        await model.start()
        for (const next of steps) await model.run(next)
        model.fs.fault = () => {}
        await model.run({ kind: 'powerLoss' })
        await model.log.close()
      }),
      { numRuns: 300 },
    )
  })
})
