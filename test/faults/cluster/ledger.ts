import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from '@jest/globals'
import { type ClusterProcesses, eventually } from '../../support/cluster-process.ts'

const TABLE = fileURLToPath(new URL('../../../.cache/faults-cluster.jsonl', import.meta.url))
const METRICS = 8
const HOUR_MS = 3_600_000
/** Every second series is of a time whose buckets are long over. */
const OLDER_MS = 5 * HOUR_MS
const WINDOW = '8h'
/** A process that was stopped takes connections and never answers. */
const ANSWER_MS = 1500

export interface SenderOptions {
  readonly senders?: number
  readonly series?: number
  /** Between two pushes of one sender. */
  readonly everyMs?: number
}

interface Push {
  readonly timeMs: number
  state: 'unknown' | 'acknowledged' | 'lost'
}

interface Expected {
  readonly timeoutMs?: number
  /** That every answer must carry; null: it must carry none. */
  readonly warning?: RegExp | null
}

/** Of one query process' answers. */
interface Found {
  answered: number
  missing: number
  doubled: number
  /** Neither acknowledged nor without an answer, or with another value. */
  foreign: number
}

/**
 * Pushes numbered samples without end, to the ingest processes in turn, and keeps book: which were acknowledged, and of which it does not
 * know. Of the pushes that fail the even ones are sent again, as any sender does, the odd ones are given up, with an unknown outcome.
 */
export class Ledger {
  /** Pushes that met no answer, or a refusal, each attempt counted. */
  failures = 0
  readonly #cluster: ClusterProcesses
  readonly #run: string
  readonly #series: number
  readonly #everyMs: number
  readonly #pushes: Push[][]
  readonly #running: Promise<void>[]
  #ending = false
  #paused: PromiseWithResolvers<void> | null = null
  #underWay = 0
  #lost = 0
  /** Of the last look at the last query process. */
  #found: Found = { answered: 0, missing: 0, doubled: 0, foreign: 0 }
  #acknowledged = 0
  #answers = new Map<string, number>()

  constructor(cluster: ClusterProcesses, run: string, { senders = 3, series = 16, everyMs = 15 }: SenderOptions = {}) {
    this.#cluster = cluster
    this.#run = run
    this.#series = series
    this.#everyMs = everyMs
    this.#pushes = Array.from({ length: senders }, () => [])
    this.#running = this.#pushes.map((pushes, sender) => this.#send(sender, pushes))
  }

  /** Samples that were acknowledged. */
  get acknowledged(): number {
    return this.#acknowledged * this.#series
  }

  /** Waits until so many pushes more are acknowledged. */
  async more(pushes: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.#acknowledged + pushes
    const deadline = Date.now() + timeoutMs
    while (this.#acknowledged < wanted) {
      if (Date.now() > deadline) throw new Error(`${wanted - this.#acknowledged} of ${pushes} pushes were not acknowledged in time`)
      await delay(10)
    }
  }

  /** How attempts ended, by status or error: to be told when something is wrong. */
  get answers(): Record<string, number> {
    return Object.fromEntries(this.#answers)
  }

  /** Sends nothing until it is told to go on. Resolves when what is under way has an outcome. */
  async pause(): Promise<void> {
    this.#paused = Promise.withResolvers()
    while (this.#underWay > 0) await delay(10)
  }

  resume(): void {
    this.#paused?.resolve()
    this.#paused = null
  }

  /** Takes out of the book what was pushed in a time of which nothing is left. @returns samples that had been acknowledged */
  forget(fromMs: number, toMs: number): number {
    let lost = 0
    for (const pushes of this.#pushes) {
      for (const push of pushes) {
        if (push.timeMs < fromMs || push.timeMs > toMs) continue
        if (push.state === 'acknowledged') lost += this.#series
        push.state = 'lost'
      }
    }
    this.#lost += lost
    return lost
  }

  /** What an answer over all of it warns of. */
  async warnings(url: string): Promise<readonly string[]> {
    const parameters = new URLSearchParams({ query: `count_over_time(fault_0{run="${this.#run}"}[${WINDOW}])` })
    const response = await fetch(`${url}/api/v1/query?${parameters}`)
    return ((await response.json()) as { warnings?: string[] }).warnings ?? []
  }

  /** Sends nothing more. Resolves when what is under way has an outcome. */
  async end(): Promise<void> {
    this.#ending = true
    this.resume()
    await Promise.all(this.#running)
  }

  async #send(sender: number, pushes: Push[]): Promise<void> {
    while (!this.#ending) {
      if (this.#paused !== null) await this.#paused.promise
      if (this.#ending) return
      this.#underWay++
      const push: Push = { timeMs: Math.max(Date.now(), (pushes.at(-1)?.timeMs ?? 0) + 1), state: 'unknown' }
      const value = pushes.push(push) - 1
      for (let attempt = 0; ; attempt++) {
        const urls = this.#cluster.urls('ingest')
        const answer = await this.#attempt(urls[(sender + value + attempt) % urls.length], sender, push.timeMs, value)
        this.#answers.set(answer, (this.#answers.get(answer) ?? 0) + 1)
        if (answer === '200') {
          push.state = 'acknowledged'
          this.#acknowledged++
          break
        }
        this.failures++
        if (value % 2 === 1 || (this.#ending && attempt > 20)) break
        await delay(100)
      }
      this.#underWay--
      await delay(this.#everyMs)
    }
  }

  async #attempt(url: string, sender: number, timeMs: number, value: number): Promise<string> {
    const series = Array.from({ length: this.#series }, (_, i) => ({
      labels: { __name__: `fault_${i % METRICS}`, run: this.#run, sender: `${sender}`, i: `${i}` },
      samples: [[timeOf(i, timeMs), value]],
    }))
    try {
      const response = await fetch(`${url}/api/v1/push`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ series }),
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      await response.text()
      return `${response.status}`
    } catch (error) {
      return (error as Error).name
    }
  }

  /** Waits until a query process answers with a sample as new as any that is acknowledged when this is asked. @returns after how long */
  async answersRecent(url: string, timeoutMs = 30_000): Promise<number> {
    const startMs = Date.now()
    const wanted = this.#pushes[0].findLastIndex(({ state }) => state === 'acknowledged')
    await eventually(
      async () => {
        const [answer] = await ask(url, `fault_0{run="${this.#run}",sender="0",i="0"}`)
        const value = Number(answer?.value?.[1] ?? -1)
        return value >= wanted ? null : `answers ${value}, acknowledged is ${wanted}`
      },
      timeoutMs,
      'recent samples are not answered',
    )
    return Date.now() - startMs
  }

  /** Waits until an ingest process acknowledges something. */
  async takes(url: string, timeoutMs = 30_000): Promise<void> {
    await eventually(
      async () => {
        const body = JSON.stringify({ series: [{ labels: { __name__: 'probe', run: this.#run }, samples: [[Date.now(), 1]] }] })
        const headers = { 'content-type': 'application/json' }
        const signal = AbortSignal.timeout(ANSWER_MS)
        const response = await fetch(`${url}/api/v1/push`, { method: 'POST', headers, body, signal })
        return response.ok ? null : `${response.status} ${await response.text()}`
      },
      timeoutMs,
      'samples are not taken',
    )
  }

  /**
   * Waits until every query process answers every acknowledged sample, and expects exactly those, once each, with their values, beside
   * ones of unknown outcome; by raw samples, by counts and by sums. Doubled or foreign ones fail at once. Called after `end`.
   */
  async expectExactly({ timeoutMs = 60_000, warning = null }: Expected = {}): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (const url of this.#cluster.urls('query')) {
      for (;;) {
        const found = await this.#examine(url, warning)
        if (found !== null && this.#isExact(found, Date.now() > deadline)) break
        await delay(250)
      }
    }
  }

  /** Expects it of every query process at once: nothing that was answered may be away for a moment. */
  async expectStill({ warning = null }: Expected = {}): Promise<void> {
    for (const url of this.#cluster.urls('query')) {
      for (let found = null; found === null; ) {
        found = await this.#examine(url, warning)
        if (found !== null) this.#isExact(found, true)
      }
    }
  }

  #isExact(found: Found, isLast: boolean): boolean {
    const exact = { answered: this.acknowledged - this.#lost, missing: 0, doubled: 0, foreign: 0 }
    if (isLast || found.doubled > 0 || found.foreign > 0) expect(found).toEqual(isLast ? exact : { ...found, doubled: 0, foreign: 0 })
    this.#found = found
    return found.missing === 0
  }

  /** As it is now; null when something came in between the questions, which then can't be compared. */
  async #examine(url: string, warning: RegExp | null): Promise<Found | null> {
    const found: Found = { answered: 0, missing: 0, doubled: 0, foreign: 0 }
    const time = Date.now() + 1000
    for (const [sender, pushes] of this.#pushes.entries()) {
      const range = `{__name__=~"fault_.",run="${this.#run}",sender="${sender}"}[${WINDOW}]`
      const raw = await ask(url, range, time, warning)
      const [counts, sums] = await Promise.all(
        ['count_over_time', 'sum_over_time'].map((name) => ask(url, `${name}(${range})`, time, warning)),
      )
      const again = await ask(url, range, time, warning)
      if (sampleCount(raw) !== sampleCount(again)) return null
      const bySeries = new Map<string, (readonly [number, string])[]>()
      for (const { metric, values = [] } of raw) {
        if (bySeries.has(metric.i)) found.doubled += values.length
        else bySeries.set(metric.i, [...values])
      }
      const countOf = new Map(counts.map(({ metric, value }) => [metric.i, Number(value?.[1])]))
      const sumOf = new Map(sums.map(({ metric, value }) => [metric.i, Number(value?.[1])]))
      for (let i = 0; i < this.#series; i++) {
        const values = bySeries.get(`${i}`) ?? []
        compare(found, pushes, i, values)
        const sum = values.reduce((before, [, text]) => before + Number(text), 0)
        expect([url, i, countOf.get(`${i}`) ?? 0, sumOf.get(`${i}`) ?? 0]).toEqual([url, i, values.length, sum])
      }
      found.foreign += [...bySeries.keys()].filter((i) => Number(i) >= this.#series).length
    }
    return found
  }

  /** The line of the table, after all was found as expected. */
  report(fault: string, recoveryMs: number): void {
    const lost = this.#lost
    const { answered, missing, doubled } = this.#found
    const row = { fault, acknowledged: this.acknowledged, answered, doubled, missing, lost }
    const seconds = Math.round(recoveryMs / 100) / 10
    mkdirSync(join(TABLE, '..'), { recursive: true })
    appendFileSync(TABLE, `${JSON.stringify({ ...row, failures: this.failures, seconds })}\n`)
    process.stdout.write(
      `fault: ${fault}: ${row.acknowledged} acknowledged, ${answered} answered, ${doubled} doubled, ${missing} missing${lost > 0 ? `, ${lost} lost to retention and told of` : ''}, recovered in ${seconds} s\n`,
    )
  }
}

function compare(found: Found, pushes: readonly Push[], i: number, values: readonly (readonly [number, string])[]): void {
  const byTime = new Map<number, number>()
  for (const [seconds, text] of values) {
    const time = Math.round(seconds * 1000)
    if (byTime.has(time)) found.doubled++
    byTime.set(time, Number(text))
  }
  let matched = 0
  for (const [value, { timeMs, state }] of pushes.entries()) {
    const met = byTime.get(timeOf(i, timeMs))
    if (met === value && state !== 'lost') matched++
    if (met === value && state === 'acknowledged') found.answered++
    if (met === undefined && state === 'acknowledged') found.missing++
  }
  found.foreign += byTime.size - matched
}

function timeOf(i: number, timeMs: number): number {
  return i % 2 === 0 ? timeMs : timeMs - OLDER_MS
}

interface Answer {
  readonly metric: Readonly<Record<string, string>>
  readonly value?: readonly [number, string]
  readonly values?: readonly (readonly [number, string])[]
}

/** @throws when it doesn't answer in time, or with an error, or not with the warning that is expected */
async function ask(url: string, query: string, timeMs = Date.now(), warning: RegExp | null = null): Promise<Answer[]> {
  const parameters = new URLSearchParams({ query, time: `${timeMs / 1000}` })
  const response = await fetch(`${url}/api/v1/query`, { method: 'POST', body: parameters, signal: AbortSignal.timeout(20_000) })
  const body = (await response.json()) as { error?: string; warnings?: string[]; data?: { result: Answer[] } }
  if (body.data === undefined) throw new Error(`${query}: ${body.error}`)
  const { warnings = [] } = body
  if (warning === null ? warnings.length > 0 : !warnings.some((text) => warning.test(text)))
    throw new Error(`${query}: expected ${warning ?? 'no warning'}, met ${warnings.join() || 'none'}`)
  return body.data.result
}

function sampleCount(answers: readonly Answer[]): number {
  return answers.reduce((count, { values = [] }) => count + values.length, 0)
}
