import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { EngineError } from '../../../src/domain/errors.ts'
import { KafkaOwnership } from '../../../src/engines/kafka/ownership.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { describeWithEngines } from '../../support/engines.ts'

const PARTITIONS = 12
/** The least that a broker accepts by default. */
const SESSION_MS = 6000
const CHILD = fileURLToPath(new URL('./owner.child.ts', import.meta.url))

/** Somebody who owns partitions, here or in a process of its own. */
interface Owner {
  owned(): readonly number[]
}

class LocalOwner implements Owner {
  readonly history: (readonly number[])[] = []
  readonly #ending = new AbortController()
  readonly #done: Promise<void>

  constructor(ownership: KafkaOwnership) {
    this.#done = (async () => {
      for await (const owned of ownership.owned(this.#ending.signal)) this.history.push(owned)
    })()
  }

  owned(): readonly number[] {
    return this.history.at(-1) ?? []
  }

  async leave(): Promise<void> {
    this.#ending.abort()
    await this.#done
    this.history.push([])
  }
}

class ChildOwner implements Owner {
  readonly history: { owned: readonly number[]; sinceWakingMs: number }[] = []
  readonly #process: ChildProcess

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    if (this.#process.stdout) createInterface({ input: this.#process.stdout }).on('line', (line) => this.history.push(JSON.parse(line)))
  }

  owned(): readonly number[] {
    return this.history.at(-1)?.owned ?? []
  }

  kill(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
    this.#process.kill(signal)
  }
}

/** Every partition has exactly one owner, and nobody has more than one partition above another. */
function shared(...owners: Owner[]): boolean {
  const sizes = owners.map((owner) => owner.owned().length)
  const all = owners.flatMap((owner) => owner.owned()).sort((a, b) => a - b)
  return Math.max(...sizes) - Math.min(...sizes) <= 1 && all.length === PARTITIONS && all.every((partition, i) => partition === i)
}

/** @returns how long it took, in ms */
async function until(what: string, holds: () => boolean, withinMs: number): Promise<number> {
  const startMs = performance.now()
  while (!holds()) {
    if (performance.now() - startMs > withinMs) throw new Error(`${what}: not within ${withinMs} ms`)
    await sleep(10)
  }
  return performance.now() - startMs
}

describeWithEngines(['kafka'], 'partitions are shared by a consumer group', 'ownership of partitions by a Kafka group', (addresses) => {
  const topic = `ownership-${randomUUID()}`
  let broker: string
  let kafka: Kafka
  let admin: Admin
  const owner = (groupId: string, sessionTimeoutMs = SESSION_MS) =>
    new KafkaOwnership({ kafka, topic, groupId, sessionTimeoutMs, clock: new SystemClock(), logger: silentLogger })

  beforeAll(async () => {
    broker = addresses.kafka[0]
    kafka = new Kafka({ clientId: 'ownership-test', brokers: [broker], logLevel: logLevel.NOTHING })
    admin = kafka.admin()
    await admin.connect()
    await admin.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: 1 }] })
  })

  afterAll(async () => {
    await admin.deleteTopics({ topics: [topic] })
    await admin.disconnect()
  })

  it('is joined and left within seconds, and only what must move moves', async () => {
    const group = `g-${randomUUID()}`
    const a = new LocalOwner(owner(group))
    await until('the first has all', () => shared(a), 10_000)

    const b = new LocalOwner(owner(group))
    await until('two share', () => shared(a, b), 3000)
    const six = a.owned()
    const c = new LocalOwner(owner(group))
    await until('three share', () => shared(a, b, c), 3000)
    expect(six).toEqual(expect.arrayContaining([...a.owned()]))
    const [four, ofB, ofC] = [a.owned(), b.owned(), c.owned()]

    await b.leave()
    await until('two are left', () => shared(a, c), 3000)
    expect(a.owned()).toEqual(expect.arrayContaining([...four]))
    expect(c.owned()).toEqual(expect.arrayContaining([...ofC]))
    expect([...a.owned(), ...c.owned()].filter((partition) => ofB.includes(partition)).length).toBe(4)
    // Who stays is never told that it lost everything in between.
    expect(a.history.every((owned) => owned.length > 0)).toBe(true)
    await c.leave()
    await until('one is left', () => shared(a), 3000)

    // While there is nothing to do but to heartbeat, it stays.
    const told = a.history.length
    await sleep(SESSION_MS * 1.3)
    expect(a.history.length).toBe(told)
    await a.leave()
    const { groups } = await admin.describeGroups([group])
    expect(groups[0].members).toEqual([])
  }, 60_000)

  it('gives the partitions of a stopped or killed process to others; one that wakes finds out at once', async () => {
    const group = `g-${randomUUID()}`
    const a = new LocalOwner(owner(group))
    await until('the first has all', () => shared(a), 10_000)
    const child = new ChildOwner([broker, topic, group, String(SESSION_MS)])
    await until('two share', () => shared(a, child), 10_000)
    const [ofA, ofChild] = [a.owned(), child.owned()]

    child.kill('SIGSTOP')
    const stopped = await until('the other takes over', () => shared(a), SESSION_MS + 3000)
    expect(stopped).toBeGreaterThan(SESSION_MS - 1500)
    const told = child.history.length
    child.kill('SIGCONT')
    await until('it wakes', () => child.history.length > told, 2000)
    expect(child.history[told].owned).toEqual([])
    expect(child.history[told].sinceWakingMs).toBeLessThan(200)
    await until('it is back', () => shared(a, child), 3000)
    // What it had comes back to it, since the other has to give up as much anyway.
    expect([a.owned(), child.owned()]).toEqual([ofA, ofChild])

    child.kill('SIGKILL')
    await until('the other takes over again', () => shared(a), SESSION_MS + 3000)
    await a.leave()
  }, 60_000)

  it('ends with a clear error when the broker refuses it for good', async () => {
    const reading = (async () => {
      for await (const owned of owner(`g-${randomUUID()}`, 100).owned(AbortSignal.timeout(20_000))) expect(owned).toBe('nothing')
    })()
    await expect(reading).rejects.toThrow(EngineError)
    await expect(reading).rejects.toMatchObject({ retryable: false, message: expect.stringContaining('INVALID_SESSION_TIMEOUT') })
  })
})
