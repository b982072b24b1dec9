import type { Kafka, Producer } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { RecordToAppend } from '../../domain/ports/event-log.ts'
import type { Offset } from '../../domain/position.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, gauge, histogram } from '../../telemetry/metrics.ts'
import { compressionOf, kafkaError } from './connection.ts'
import type { KafkaSettings } from './settings.ts'

export interface KafkaAppenderParts {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  /** As the brokers name it. */
  readonly topic: string
  readonly clock: Clock
  readonly logger: Logger
  readonly bytesInFlightMax: number
}

/** The brokers take a partition's part of a send as one batch, bounded by the topic's max.message.bytes. */
export const BATCH_BYTES_MAX = 1792 * 1024
const RECORD_OVERHEAD_BYTES = 512
/** An append that has not succeeded by then has failed: who waits for it is told to try again. */
const APPEND_MS_MAX = 10_000
const RECONNECT_MS_MIN = 200
const RECONNECT_MS_MAX = 5000

const appendedBytes = counter('tidemark_kafka_appended_bytes_total', 'Bytes of record payloads that Kafka has acknowledged.', ['topic'])
const appendedRecords = counter('tidemark_kafka_appended_records_total', 'Records that Kafka has acknowledged.', ['topic'])
const producersMade = counter('tidemark_kafka_producers_total', 'Producers made: the first, and one after each send that failed.', [
  'topic',
])
const inFlight = gauge('tidemark_kafka_append_in_flight_bytes', 'Bytes on their way to Kafka.', ['topic'])
const sends = histogram(
  'tidemark_kafka_send_seconds',
  'How long sends to Kafka took, the client’s own tries included.',
  ['topic'],
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
)

interface Waiting {
  readonly records: readonly RecordToAppend[]
  readonly bytes: number
  /** By partition. */
  readonly partitionBytes: ReadonlyMap<number, number>
  readonly deadlineMs: number
  readonly resolve: (next: Map<number, Offset>) => void
  readonly reject: (error: EngineError) => void
}

/**
 * Appends with an idempotent producer, acknowledged by all in-sync replicas. One send is under way at a time, and whatever waits goes into
 * the next: the more comes, the larger the batches. After a send that failed the producer is thrown away: its sequence numbers are worth
 * nothing once an outcome is unknown.
 */
export class KafkaAppender {
  readonly #parts: KafkaAppenderParts
  readonly #waiting: Waiting[] = []
  #producer: Producer | null = null
  #connecting: Promise<void> | null = null
  /** Why there is no producer; null while the first one has not been tried. */
  #trouble: EngineError | null = null
  #bytes = 0
  #sending = false
  #closed = false

  constructor(parts: KafkaAppenderParts) {
    this.#parts = parts
  }

  append(records: readonly RecordToAppend[]): Promise<Map<number, Offset>> {
    const { clock, topic, bytesInFlightMax } = this.#parts
    const partitionBytes = new Map<number, number>()
    let bytes = 0
    for (const { partition, payload } of records) {
      const size = payload.length + RECORD_OVERHEAD_BYTES
      partitionBytes.set(partition, (partitionBytes.get(partition) ?? 0) + size)
      bytes += size
    }
    const largest = Math.max(0, ...partitionBytes.values())
    if (largest > BATCH_BYTES_MAX) return this.#appendInParts(records)
    if (this.#closed) return Promise.reject(new EngineError('LOG_CLOSED', `the log ${topic} is closed`, { retryable: false }))
    if (this.#trouble !== null) return Promise.reject(this.#trouble)
    if (this.#bytes + bytes > bytesInFlightMax) {
      return Promise.reject(new EngineError('LOG_BUSY', `${this.#bytes} bytes are on their way to Kafka already`, { retryable: true }))
    }
    this.#hold(bytes)
    return new Promise((resolve, reject) => {
      const deadlineMs = clock.monotonicMs() + APPEND_MS_MAX
      this.#waiting.push({ records, bytes, partitionBytes, deadlineMs, resolve, reject })
      void this.#sendOn()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#failAll(new EngineError('LOG_CLOSED', `the log ${this.#parts.topic} is closed`, { retryable: true }))
    await this.#connecting?.catch(() => {})
    await this.#producer?.disconnect().catch(() => {})
  }

  /** More for one partition than a batch takes: one after another; the whole fails with the first that does. */
  async #appendInParts(records: readonly RecordToAppend[]): Promise<Map<number, Offset>> {
    const parts: RecordToAppend[][] = []
    let sizes = new Map<number, number>()
    for (const record of records) {
      const size = record.payload.length + RECORD_OVERHEAD_BYTES
      if (size > BATCH_BYTES_MAX) {
        const { topic } = this.#parts
        throw new EngineError('LOG_TOO_LARGE', `a record of ${size} bytes for ${topic}: expected at most ${BATCH_BYTES_MAX}`, {
          retryable: false,
        })
      }
      const held = sizes.get(record.partition) ?? 0
      if (parts.length === 0 || held + size > BATCH_BYTES_MAX) {
        parts.push([])
        sizes = new Map()
      }
      sizes.set(record.partition, (sizes.get(record.partition) ?? 0) + size)
      parts.at(-1)!.push(record)
    }
    const next = new Map<number, Offset>()
    for (const part of parts) for (const [partition, offset] of await this.append(part)) next.set(partition, offset)
    return next
  }

  #hold(bytes: number): void {
    this.#bytes += bytes
    inFlight.set({ topic: this.#parts.topic }, this.#bytes)
  }

  async #sendOn(): Promise<void> {
    if (this.#sending) return
    this.#sending = true
    try {
      while (this.#waiting.length > 0) {
        if (this.#producer === null) await this.#connect()
        if (this.#producer === null) return
        await this.#send(this.#producer, this.#nextBatch())
      }
    } finally {
      this.#sending = false
    }
  }

  /** As many as go into one batch of every partition. */
  #nextBatch(): Waiting[] {
    const batch: Waiting[] = []
    const sizes = new Map<number, number>()
    while (this.#waiting.length > 0) {
      const { partitionBytes } = this.#waiting[0]
      const fits = [...partitionBytes].every(([partition, bytes]) => (sizes.get(partition) ?? 0) + bytes <= BATCH_BYTES_MAX)
      if (!fits) break
      for (const [partition, bytes] of partitionBytes) sizes.set(partition, (sizes.get(partition) ?? 0) + bytes)
      batch.push(this.#waiting.shift()!)
    }
    return batch
  }

  async #send(producer: Producer, batch: readonly Waiting[]): Promise<void> {
    const { topic, settings, clock } = this.#parts
    const messages = batch.flatMap(({ records }) =>
      records.map(({ partition, headers, payload }) => ({
        partition,
        headers: { ...headers },
        value: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
      })),
    )
    const deadlineMs = Math.min(...batch.map((one) => one.deadlineMs))
    const end = sends.startTimer({ topic })
    const giving = new AbortController()
    const late = clock.sleep(Math.max(1, deadlineMs - clock.monotonicMs()), giving.signal).then(() => {
      throw new EngineError('KAFKA_UNAVAILABLE', `appending to ${topic}: no acknowledgement within ${APPEND_MS_MAX} ms`, {
        retryable: true,
      })
    })
    try {
      const sending = producer.send({ topic, acks: -1, timeout: APPEND_MS_MAX, compression: compressionOf[settings.compression], messages })
      const answers = await Promise.race([sending, late])
      this.#settle(batch, new Map(answers.map(({ partition, baseOffset }) => [partition, Number(baseOffset)])))
    } catch (error) {
      this.#fail(producer, batch, kafkaError(error, settings, `appending to ${topic}`))
    } finally {
      end()
      giving.abort()
      late.catch(() => {})
    }
  }

  /** Offsets of each append follow from the first of the batch: records keep their order within it. */
  #settle(batch: readonly Waiting[], bases: Map<number, number>): void {
    const { topic } = this.#parts
    for (const { records, bytes, resolve, reject } of batch) {
      const next = new Map<number, Offset>()
      let payload = 0
      for (const record of records) {
        const offset = bases.get(record.partition)
        if (offset === undefined) continue
        bases.set(record.partition, offset + 1)
        next.set(record.partition, offset + 1)
        payload += record.payload.length
      }
      this.#hold(-bytes)
      appendedBytes.inc({ topic }, payload)
      appendedRecords.inc({ topic }, records.length)
      if (records.every(({ partition }) => next.has(partition))) resolve(next)
      else reject(new EngineError('KAFKA_UNAVAILABLE', `appending to ${topic}: a partition was not acknowledged`, { retryable: true }))
    }
  }

  #fail(producer: Producer, batch: readonly Waiting[], error: EngineError): void {
    for (const { bytes, reject } of batch) {
      this.#hold(-bytes)
      reject(error)
    }
    if (this.#producer === producer) this.#producer = null
    void producer.disconnect().catch(() => {})
    // What is refused for good says nothing of the next; what has no broker waits for one, and whoever comes meanwhile is told at once.
    if (!error.retryable) return
    this.#trouble = error
    this.#failAll(error)
    this.#parts.logger.warn({ error: error.message }, 'Kafka takes no records; writes are refused until it does')
    void this.#reconnect()
  }

  #failAll(error: EngineError): void {
    for (const { bytes, reject } of this.#waiting.splice(0)) {
      this.#hold(-bytes)
      reject(error)
    }
  }

  async #connect(): Promise<void> {
    this.#connecting ??= this.#makeProducer().finally(() => {
      this.#connecting = null
    })
    try {
      await this.#connecting
    } catch (error) {
      const engineError = kafkaError(error, this.#parts.settings, `appending to ${this.#parts.topic}`)
      this.#failAll(engineError)
      if (!engineError.retryable) return
      this.#trouble = engineError
      void this.#reconnect()
    }
  }

  async #makeProducer(): Promise<void> {
    const { kafka, topic } = this.#parts
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
    await producer.connect()
    producersMade.inc({ topic })
    this.#producer = producer
  }

  async #reconnect(): Promise<void> {
    const { clock, logger, topic } = this.#parts
    for (let waitMs = RECONNECT_MS_MIN; !this.#closed; waitMs = Math.min(2 * waitMs, RECONNECT_MS_MAX)) {
      await clock.sleep(waitMs)
      try {
        if (this.#closed) return
        await this.#makeProducer()
        this.#trouble = null
        logger.info({ topic }, 'Kafka takes records again')
        return
      } catch (error) {
        this.#trouble = kafkaError(error, this.#parts.settings, `appending to ${topic}`)
      }
    }
  }
}
