import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { type KafkaHandle, startKafka } from '../../../scripts/engines/index.mjs'
import { describeWithEngines } from '../../support/engines.ts'
import { Tail, TestTopic, Writer } from './support/topic.ts'

const START_MS = 180_000

/** What was acknowledged stands in the log in that order; between it may stand what had no answer. */
function expectHeld(acknowledged: ReadonlyMap<number, readonly string[]>, held: ReadonlyMap<number, readonly string[]>): void {
  for (const [partition, texts] of acknowledged) {
    let at = 0
    const found = held.get(partition) ?? []
    for (const text of texts) {
      at = found.indexOf(text, at) + 1
      if (at === 0)
        throw new Error(`partition ${partition}: ${text.replace(/\.+$/, '')} was acknowledged and is not held, or not in its place`)
    }
  }
}

describeWithEngines(['kafka'], 'brokers are stopped and killed', 'when brokers go away', () => {
  let folder: string
  let kafka: KafkaHandle
  let topic: TestTopic

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-kafka-'))
    kafka = await startKafka({ run: folder, brokers: 3, heap: '256m' })
    topic = await TestTopic.make(kafka.addresses, 6)
  }, START_MS)

  afterAll(async () => {
    await topic?.remove()
    await kafka?.stop()
    await rm(folder, { recursive: true, force: true })
  }, START_MS)

  it('keeps what it acknowledged when a leader is killed, and reads on', async () => {
    const log = await topic.open()
    const tail = new Tail(log, await log.ends())
    const writer = new Writer(log)
    await sleep(1500)
    await kafka.kill(0)
    await sleep(6000)
    const before = writer.acknowledged.get(0)?.length ?? 0
    await sleep(1500)
    await writer.stop()
    // Two of three take records.
    expect(writer.acknowledged.get(0)?.length).toBeGreaterThan(before)
    for (const { retryable, afterMs } of writer.refusals) {
      expect(retryable).toBe(true)
      expect(afterMs).toBeLessThan(11_000)
    }
    await tail.reaches(await log.ends())
    await tail.end()
    expectHeld(writer.acknowledged, tail.texts)
    expect(tail.gaps).toEqual([])
    await kafka.restart(0)
  }, 120_000)

  it('keeps what it acknowledged while a broker is restarted', async () => {
    const log = await topic.open()
    const tail = new Tail(log, await log.ends())
    const writer = new Writer(log)
    await sleep(1000)
    await kafka.restart(1)
    await sleep(2000)
    await writer.stop()
    await tail.reaches(await log.ends())
    await tail.end()
    expectHeld(writer.acknowledged, tail.texts)
    expect(writer.refusals.every(({ retryable }) => retryable)).toBe(true)
  }, 120_000)

  it('refuses within bounds, in time and memory, while all brokers are stopped, and recovers', async () => {
    const log = await topic.open({ bytesInFlightMax: 2 ** 20 })
    const tail = new Tail(log, await log.ends())
    await log.append([{ partition: 0, headers: {}, payload: Buffer.from('before') }])
    for (const broker of [0, 1, 2]) kafka.pause(broker)
    const startMs = performance.now()
    const appends = Array.from({ length: 40 }, () =>
      log.append([{ partition: 1, headers: {}, payload: Buffer.alloc(50_000) }]).then(
        () => ({ code: 'none' }),
        (error: { code: string; retryable: boolean }) => error,
      ),
    )
    const outcomes = await Promise.all(appends)
    expect(performance.now() - startMs).toBeLessThan(12_000)
    expect([...new Set(outcomes.map(({ code }) => code))].sort()).toEqual(['KAFKA_UNAVAILABLE', 'LOG_BUSY'])
    expect(outcomes).toContainEqual(expect.objectContaining({ code: 'LOG_BUSY', retryable: true }))
    // From then on it says so at once.
    const againMs = performance.now()
    const again = log.append([{ partition: 0, headers: {}, payload: Buffer.from('x') }])
    await expect(again).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
    expect(performance.now() - againMs).toBeLessThan(50)
    for (const broker of [0, 1, 2]) kafka.resume(broker)
    const payload = Buffer.from('after')
    for (let tries = 0; ; tries++) {
      const appended = await log.append([{ partition: 0, headers: {}, payload }]).catch(() => null)
      if (appended !== null) break
      if (tries > 300) throw new Error('it does not take records again')
      await sleep(100)
    }
    await tail.reaches(await log.ends())
    await tail.end()
    expect(tail.texts.get(0)?.[0]).toBe('before')
    expect(tail.texts.get(0)?.at(-1)).toBe('after')
    await log.close()
  }, 120_000)
})
