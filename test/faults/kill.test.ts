import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from '@jest/globals'
import { SeededRandom } from '../support/virtual-clock.ts'
import { type Sample, ServerProcess } from './support/server.ts'

const KILLS = 5
const SENDERS = 3
const SERIES_PER_PUSH = 20

const seed = Number(process.env.TIDEMARK_FAULTS_SEED ?? Date.now() % 1_000_000)
const random = new SeededRandom(seed)
const nowMs = Date.now()

/** Pushes without end, each again until it is acknowledged, to whatever server is there. */
class Senders {
  server: ServerProcess | null = null
  acknowledged = 0
  repeated = 0
  #ending = false
  #serial = 0
  readonly #running: Promise<void>[]

  constructor(count: number) {
    this.#running = Array.from({ length: count }, () => this.#send())
  }

  /** @returns how many pushes were acknowledged, all of those that were begun */
  async end(): Promise<number> {
    this.#ending = true
    await Promise.all(this.#running)
    expect(this.acknowledged).toBe(this.#serial)
    return this.acknowledged
  }

  async #send(): Promise<void> {
    while (!this.#ending) {
      const push = this.#serial++
      const samples = Array.from(
        { length: SERIES_PER_PUSH },
        // Two samples of each series, of two buckets: one long over, one open.
        (_, i): Sample => ({
          labels: { __name__: `m${i % 3}`, push: String(push >> 1), i: String(i) },
          timeMs: push % 2 === 0 ? nowMs - 5 * 3_600_000 : nowMs,
          value: push,
        }),
      )
      for (let attempt = 0; ; attempt++) {
        const answer = await this.server?.push(samples).catch(() => null)
        if (answer?.status === 200) break
        if (answer && answer.status < 500 && answer.status !== 429) throw new Error(`a push was refused: ${answer.text}`)
        if (attempt > 0) this.repeated++
        await delay(5)
      }
      this.acknowledged++
    }
  }
}

describe(`kill -9 (seed ${seed})`, () => {
  it('loses and doubles nothing, neither in a flood, in a flush nor in a seal', async () => {
    const data = mkdtempSync(join(tmpdir(), 'tidemark-kill-'))
    const senders = new Senders(SENDERS)
    let server = await ServerProcess.start(data)
    try {
      senders.server = server
      for (let kill = 0; kill < KILLS; kill++) {
        const before = senders.acknowledged
        while (senders.acknowledged < before + 30) await delay(5)
        // A seal writes the head as fresh blocks first: the wait lands in one, in the other, or before both.
        const sealing = kill % 5 === 0 ? null : server.seal().catch(() => null)
        await delay(kill === 1 ? 0 : random.next() * 60)
        await server.kill()
        await sealing
        server = await ServerProcess.start(data)
        senders.server = server
      }
      expect(await server.seal()).toBe(200)
      const pushes = await senders.end()
      expect(senders.repeated).toBeGreaterThan(0)
      await expectExactly(server, pushes)
      await server.kill()
      server = await ServerProcess.start(data)
      await expectExactly(server, pushes)
    } finally {
      await server.kill()
      rmSync(data, { recursive: true, force: true })
    }
  }, 60_000)
})

async function expectExactly(server: ServerProcess, pushes: number): Promise<void> {
  const counts = await server.query('sum by (i) (count_over_time({__name__=~"m.",push!=""}[6h]))', nowMs)
  const sums = await server.query('sum by (i) (sum_over_time({__name__=~"m.",push!=""}[6h]))', nowMs)
  const series = Array.from({ length: SERIES_PER_PUSH }, (_, i) => String(i)).sort()
  const of = (value: number) => new Map(series.map((i) => [i, value]))
  expect(counts).toEqual(of(pushes))
  expect(sums).toEqual(of((pushes * (pushes - 1)) / 2))
}
