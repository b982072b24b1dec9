import { randomUUID } from 'node:crypto'
import type { LogBatch } from '../../../../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../../src/domain/position.ts'
import { connectKafka } from '../../../../src/engines/kafka/connection.ts'
import { KafkaEventLog, type KafkaEventLogOptions } from '../../../../src/engines/kafka/kafka-event-log.ts'
import type { KafkaSettings } from '../../../../src/engines/kafka/settings.ts'
import { ensureTopics } from '../../../../src/engines/kafka/topics.ts'
import { SystemClock } from '../../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../../src/telemetry/log.ts'
import { kafkaSettings } from '../../../support/kafka-settings.ts'

/** A topic of a test's own, and what is opened of it. */
export class TestTopic {
  readonly settings: KafkaSettings
  readonly #opened: KafkaEventLog[] = []

  private constructor(settings: KafkaSettings) {
    this.settings = settings
  }

  static async make(brokers: readonly string[], partitions: number, changes: Partial<KafkaSettings> = {}): Promise<TestTopic> {
    const settings = kafkaSettings(brokers, { topicPrefix: `test-${randomUUID().slice(0, 8)}`, ...changes })
    await ensureTopics(settings, [{ topic: 'tidemark.log', partitions, retentionMs: null }], silentLogger)
    return new TestTopic(settings)
  }

  /** As the brokers name it. */
  get name(): string {
    return `${this.settings.topicPrefix}.log`
  }

  async open(changes: Partial<KafkaEventLogOptions> = {}): Promise<KafkaEventLog> {
    const log = await KafkaEventLog.open({
      settings: this.settings,
      topic: 'tidemark.log',
      generation: 1,
      clientId: 'test',
      clock: new SystemClock(),
      logger: silentLogger,
      bytesInFlightMax: 2 ** 26,
      ...changes,
    })
    this.#opened.push(log)
    return log
  }

  async remove(): Promise<void> {
    for (const log of this.#opened) await log.close()
    const admin = connectKafka(this.settings, 'test', silentLogger).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [this.name] })
    await admin.disconnect()
  }
}

/** Reads in the background, checking that offsets follow one another. */
export class Tail {
  /** Of each partition, the texts in order. */
  readonly texts = new Map<number, string[]>()
  readonly gaps: LogBatch['gaps'][number][] = []
  readonly #next: Map<number, number>
  readonly #ending = new AbortController()
  readonly #done: Promise<void>
  #failure: unknown = null

  constructor(log: Pick<KafkaEventLog, 'read'>, from: PartitionOffsets) {
    this.#next = new Map(from)
    this.#done = this.#read(log, from).catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** Waits until each partition has been read up to these offsets. */
  async reaches(ends: PartitionOffsets, timeoutMs = 60_000): Promise<void> {
    const deadline = performance.now() + timeoutMs
    const behind = () => [...ends].filter(([partition, end]) => (this.#next.get(partition) ?? 0) < end)
    while (behind().length > 0) {
      if (this.#failure !== null) throw this.#failure
      if (performance.now() > deadline) throw new Error(`still behind ${JSON.stringify(behind())}, at ${JSON.stringify([...this.#next])}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async end(): Promise<void> {
    this.#ending.abort()
    await this.#done
    if (this.#failure !== null) throw this.#failure
  }

  async #read(log: Pick<KafkaEventLog, 'read'>, from: PartitionOffsets): Promise<void> {
    for await (const { records, gaps } of log.read(from, this.#ending.signal)) {
      for (const gap of gaps) {
        this.gaps.push(gap)
        this.#next.set(gap.partition, gap.to)
      }
      for (const { partition, offset, payload } of records) {
        if (offset !== this.#next.get(partition)) throw new Error(`met ${partition}@${offset}, expected ${this.#next.get(partition)}`)
        const texts = this.texts.get(partition) ?? []
        this.texts.set(partition, texts)
        texts.push(Buffer.from(payload).toString())
        this.#next.set(partition, offset + 1)
      }
    }
  }
}

/** Appends numbered records to all partitions, one append after another, until it is told to stop; whoever is refused tries the next number. */
export class Writer {
  /** Of each partition, the texts that were acknowledged, in order. */
  readonly acknowledged = new Map<number, string[]>()
  readonly refusals: { readonly code: string; readonly retryable: boolean; readonly afterMs: number }[] = []
  #stopped = false
  readonly #done: Promise<void>

  constructor(log: KafkaEventLog, payloadBytes = 2000) {
    this.#done = this.#write(log, payloadBytes)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }

  async #write(log: KafkaEventLog, payloadBytes: number): Promise<void> {
    const partitions = Array.from({ length: log.partitionCount }, (_, partition) => partition)
    for (let number = 0; !this.#stopped; number++) {
      const text = `${number}`.padEnd(payloadBytes, '.')
      const startMs = performance.now()
      try {
        await log.append(partitions.map((partition) => ({ partition, headers: { ce_id: `${number}` }, payload: Buffer.from(text) })))
        for (const partition of partitions) this.acknowledged.set(partition, [...(this.acknowledged.get(partition) ?? []), text])
      } catch (error) {
        const { code, retryable } = error as { code: string; retryable: boolean } // an EngineError, as the tests check
        this.refusals.push({ code, retryable, afterMs: performance.now() - startMs })
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    }
  }
}
