import { beforeEach, describe, expect, it } from '@jest/globals'
import type { Kafka } from 'kafkajs'
import type { RecordToAppend } from '../../../src/domain/ports/event-log.ts'
import { BATCH_BYTES_MAX, KafkaAppender } from '../../../src/engines/kafka/appender.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { kafkaSettings } from '../../support/kafka-settings.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

interface Send {
  readonly compression: number
  readonly messages: readonly { readonly partition: number; readonly value: Buffer }[]
}

type Answers = { partition: number; baseOffset: string }[]

/** Brokers in memory: producers of it append, until a test says otherwise. */
class FakeKafka {
  readonly ends = new Map<number, number>()
  readonly sends: Send[] = []
  made = 0
  disconnected = 0
  connect: () => Promise<void> = async () => {}
  answer: (send: Send) => Promise<Answers> = async (send) => this.take(send)

  take({ messages }: Send): Answers {
    const bases = new Map<number, number>()
    for (const { partition } of messages) {
      const end = this.ends.get(partition) ?? 0
      if (!bases.has(partition)) bases.set(partition, end)
      this.ends.set(partition, end + 1)
    }
    return [...bases].map(([partition, base]) => ({ partition, baseOffset: `${base}` }))
  }

  producer() {
    this.made++
    return {
      connect: () => this.connect(),
      disconnect: async () => {
        this.disconnected++
      },
      send: async (send: Send) => {
        this.sends.push(send)
        return this.answer(send)
      },
    }
  }
}

const record = (partition: number, bytes = 10): RecordToAppend => ({ partition, headers: {}, payload: new Uint8Array(bytes) })
const refused = (type: string) => Object.assign(new Error(type), { type })

describe('the Kafka appender', () => {
  let kafka: FakeKafka
  let clock: VirtualClock
  let appender: KafkaAppender

  beforeEach(() => {
    kafka = new FakeKafka()
    clock = new VirtualClock()
    appender = new KafkaAppender({
      kafka: kafka as unknown as Kafka, // the part of it that is used
      settings: kafkaSettings(['broker:9092']),
      topic: 'test.log',
      clock,
      logger: silentLogger,
      bytesInFlightMax: 2 ** 23,
    })
  })

  it('sends what waits together, one send at a time, and tells each append its own offsets', async () => {
    let release = () => {}
    const answer = kafka.answer
    kafka.answer = async (send) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return answer(send)
    }
    const first = appender.append([record(0)])
    await clock.advance(0)
    const rest = [appender.append([record(0), record(1)]), appender.append([record(0)])]
    await clock.advance(0)
    expect(kafka.sends).toHaveLength(1)
    release()
    expect(await first).toEqual(new Map([[0, 1]]))
    await clock.advance(0)
    release()
    expect(await Promise.all(rest)).toEqual([
      new Map([
        [0, 2],
        [1, 1],
      ]),
      new Map([[0, 3]]),
    ])
    expect(kafka.sends).toHaveLength(2)
    expect(kafka.made).toBe(1)
  })

  it('sends no more for a partition than a batch takes, and no more in all than a request', async () => {
    const half = Math.floor(BATCH_BYTES_MAX / 2) + 1
    await Promise.all([appender.append([record(0, half)]), appender.append([record(0, half)])])
    expect(kafka.sends.map(({ messages }) => messages.length)).toEqual([1, 1])
    await appender.append(Array.from({ length: 40 }, (_, partition) => record(partition, 1_000_000)))
    const sizes = kafka.sends.slice(2).map(({ messages }) => messages.reduce((sum, { value }) => sum + value.length, 0))
    expect(sizes.reduce((sum, size) => sum + size)).toBe(40_000_000)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16 * 2 ** 20)
  })

  it('compresses what is worth it', async () => {
    await appender.append([record(0, 500), record(1, 500)])
    await appender.append([record(0, 5000), record(1, 500)])
    const [none, zstd] = [0, 4]
    expect(kafka.sends.map(({ compression }) => compression)).toEqual([none, zstd])
  })

  it('refuses a record that no topic takes, before it is sent', async () => {
    await expect(appender.append([record(0), record(0, BATCH_BYTES_MAX)])).rejects.toMatchObject({
      code: 'LOG_TOO_LARGE',
      retryable: false,
    })
    expect(kafka.sends).toEqual([])
  })

  it('refuses what is more than its bound, until there is room', async () => {
    let release = () => {}
    const answer = kafka.answer
    kafka.answer = (send) =>
      new Promise((resolve) => {
        release = () => resolve(answer(send))
      })
    const first = appender.append(Array.from({ length: 7 }, (_, partition) => record(partition, 1_000_000)))
    await clock.advance(0)
    await expect(appender.append(Array.from({ length: 2 }, () => record(0, 800_000)))).rejects.toMatchObject({
      code: 'LOG_BUSY',
      retryable: true,
    })
    release()
    await first
    kafka.answer = answer
    await appender.append([record(0, 800_000), record(1, 800_000)])
  })

  it('throws a producer away after a failure, refuses while there is none, and makes another', async () => {
    const answer = kafka.answer
    kafka.answer = async () => {
      throw refused('NOT_LEADER_FOR_PARTITION')
    }
    const waiting = [appender.append([record(0)]), appender.append([record(0, BATCH_BYTES_MAX - 512)])]
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'KAFKA_UNAVAILABLE', retryable: true } })
    }
    expect(kafka.sends).toHaveLength(1)
    await expect(appender.append([record(0)])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' })
    kafka.connect = async () => {
      throw new Error('connection refused')
    }
    await clock.advance(20_000)
    await expect(appender.append([record(0)])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE' })
    // Tried again less and less often, and each that came to nothing is let go of.
    expect(kafka.made).toBeGreaterThan(4)
    expect(kafka.made).toBeLessThan(12)
    expect(kafka.disconnected).toBeGreaterThanOrEqual(kafka.made)
    kafka.connect = async () => {}
    kafka.answer = answer
    await clock.advance(5000)
    expect(await appender.append([record(0)])).toEqual(new Map([[0, 1]]))
  })

  it('gives up a send without an answer, and lets nothing of it be left when the client ends it late', async () => {
    let lateAnswer = (_: Answers) => {}
    kafka.answer = () =>
      new Promise((resolve) => {
        lateAnswer = resolve
      })
    const hanging = appender.append([record(0)])
    const outcome = expect(hanging).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
    await clock.advance(9_900)
    expect(kafka.disconnected).toBe(0)
    await clock.advance(200)
    await outcome
    expect(kafka.disconnected).toBe(1)
    lateAnswer([])
    await clock.advance(0)
    expect(kafka.disconnected).toBe(2)
  })

  it('refuses what waits for a first connection that does not come', async () => {
    let connect = () => {}
    kafka.connect = () =>
      new Promise((resolve) => {
        connect = resolve
      })
    const outcome = expect(appender.append([record(0)])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
    await clock.advance(10_100)
    await outcome
    connect()
    await clock.advance(0)
    expect(await appender.append([record(0)])).toEqual(new Map([[0, 1]]))
  })

  it('takes a partition that the client forgot for a failure', async () => {
    kafka.answer = async (send) => kafka.take(send).filter(({ partition }) => partition !== 1)
    await expect(appender.append([record(0), record(1)])).rejects.toMatchObject({ code: 'KAFKA_UNAVAILABLE', retryable: true })
  })

  it('goes on at once after what is refused for good', async () => {
    const answer = kafka.answer
    kafka.answer = async () => {
      throw refused('MESSAGE_TOO_LARGE')
    }
    await expect(appender.append([record(0)])).rejects.toMatchObject({ code: 'KAFKA_TOO_LARGE', retryable: false })
    kafka.answer = answer
    expect(await appender.append([record(0)])).toEqual(new Map([[0, 1]]))
    expect(kafka.made).toBe(2)
  })

  it('waits for what is under way when it is closed, and takes no more', async () => {
    const appended = [appender.append([record(0)])]
    await clock.advance(0)
    appended.push(appender.append([record(0)]))
    const closed = appender.close()
    await expect(appender.append([record(0)])).rejects.toMatchObject({ code: 'LOG_CLOSED' })
    await closed
    expect(await Promise.all(appended)).toEqual([new Map([[0, 1]]), new Map([[0, 2]])])
    expect(kafka.disconnected).toBe(1)
  })
})
