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
/** Of all partitions together: a broker closes the connection on a request that is too large for it (100 MiB by default). */
const SEND_BYTES_MAX = 16 * 2 ** 20
/** A batch of less than this, on average over the partitions of a send, is sent as it is: compressing it costs more than it saves. */
const COMPRESSED_BYTES_MIN = 2048
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
 * the next: the more comes, the larger the batches.
 *
 * After a send that failed the producer is thrown away: its sequence numbers are worth nothing once an outcome is unknown. Another one is
 * made in the background, for as long as it takes; meanwhile appends are refused at once.
 */
export class KafkaAppender {
  readonly #parts: KafkaAppenderParts
  readonly #waiting: Waiting[] = []
  readonly #closing = new AbortController()
  #producer: Producer | null = null
  /** The making of a producer, while there is none. */
  #making: Promise<void> | null = null
  #sending: Promise<void> | null = null
  /** Why there is no producer; null while there is one, and while the first is being made. */
  #trouble: EngineError | null = null
  /** Told to the operator; over with the next send that succeeds. */
  #outage = false
  #bytes = 0

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
    if (bytes > SEND_BYTES_MAX || Math.max(0, ...partitionBytes.values()) > BATCH_BYTES_MAX) return this.#appendInParts(records)
    if (this.#closing.signal.aborted) return Promise.reject(this.#closed())
    if (this.#trouble !== null) return Promise.reject(this.#trouble)
    if (this.#bytes > 0 && this.#bytes + bytes > bytesInFlightMax) {
      return Promise.reject(
        new EngineError('LOG_BUSY', `appending to ${topic}: ${this.#bytes} bytes are on their way to Kafka already`, { retryable: true }),
      )
    }
    this.#hold(bytes)
    return new Promise((resolve, reject) => {
      const deadlineMs = clock.monotonicMs() + APPEND_MS_MAX
      this.#waiting.push({ records, bytes, partitionBytes, deadlineMs, resolve, reject })
      this.#sendOn()
    })
  }

  /** Waits for appends that are under way, where they can succeed. */
  async close(): Promise<void> {
    this.#closing.abort()
    if (this.#producer === null) this.#failAll(this.#closed())
    await this.#sending
    await this.#making
    await this.#producer?.disconnect().catch(() => {})
  }

  /** More than a batch or a send takes: one part after another; the whole fails with the first that does. */
  async #appendInParts(records: readonly RecordToAppend[]): Promise<Map<number, Offset>> {
    const next = new Map<number, Offset>()
    for (const part of inParts(records, this.#parts.topic)) {
      for (const [partition, offset] of await this.append(part)) next.set(partition, offset)
    }
    return next
  }

  #hold(bytes: number): void {
    this.#bytes += bytes
    inFlight.set({ topic: this.#parts.topic }, this.#bytes)
  }

  #sendOn(): void {
    if (this.#sending !== null) return
    if (this.#producer === null) this.#making ??= this.#makeProducer()
    else this.#sending = this.#sendAll()
  }

  async #sendAll(): Promise<void> {
    // Appends of the same turn of the event loop go together.
    await undefined
    while (this.#waiting.length > 0 && this.#producer !== null) await this.#send(this.#producer, nextBatch(this.#waiting))
    this.#sending = null
    if (this.#waiting.length > 0) this.#sendOn()
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
    const partitions = new Set(messages.map(({ partition }) => partition)).size
    const isSmall = messages.reduce((sum, { value }) => sum + value.length, 0) < partitions * COMPRESSED_BYTES_MIN
    const compression = compressionOf[isSmall ? 'none' : settings.compression]
    const deadlineMs = Math.min(...batch.map((one) => one.deadlineMs))
    const end = sends.startTimer({ topic })
    const giving = new AbortController()
    const late = clock.sleep(Math.max(1, deadlineMs - clock.monotonicMs()), giving.signal).then(() => {
      throw this.#late()
    })
    const sending = producer.send({ topic, acks: -1, timeout: APPEND_MS_MAX, compression, messages })
    try {
      const answers = await Promise.race([sending, late])
      this.#settle(batch, new Map(answers.map(({ partition, baseOffset }) => [partition, Number(baseOffset)])))
    } catch (error) {
      this.#discard(producer, sending)
      this.#refuse(batch, kafkaError(error, settings, `appending to ${topic}`))
    } finally {
      end()
      giving.abort()
      late.catch(() => {})
    }
  }

  /**
   * Offsets of each append follow from the first of its partition: records keep their order within a batch.
   * @throws EngineError when the answer leaves out a partition: when leaders move between the client's tries, it can forget one, and
   * takes the send for done
   */
  #settle(batch: readonly Waiting[], bases: Map<number, number>): void {
    const { topic, logger } = this.#parts
    const forgotten = batch.flatMap(({ partitionBytes }) => [...partitionBytes.keys()]).find((partition) => !bases.has(partition))
    if (forgotten !== undefined) {
      throw new EngineError('KAFKA_UNAVAILABLE', `appending to ${topic}: partition ${forgotten} was not acknowledged`, { retryable: true })
    }
    for (const { records, bytes, resolve } of batch) {
      const next = new Map<number, Offset>()
      let payload = 0
      for (const record of records) {
        const end = bases.get(record.partition)! + 1
        bases.set(record.partition, end)
        next.set(record.partition, end)
        payload += record.payload.length
      }
      this.#hold(-bytes)
      appendedBytes.inc({ topic }, payload)
      appendedRecords.inc({ topic }, records.length)
      resolve(next)
    }
    if (this.#outage) logger.info({ topic }, 'Kafka takes records again')
    this.#outage = false
  }

  /** Fails a batch whose producer is gone; what waits behind it fails too when there is no telling when another send can succeed. */
  #refuse(batch: readonly Waiting[], error: EngineError): void {
    this.#fail(batch, error)
    // What is refused for good, such as a record that is too large, says nothing of the next.
    if (error.retryable) this.#announce(error)
    if (!this.#closing.signal.aborted) this.#making ??= this.#makeProducer()
  }

  #announce(error: EngineError): void {
    const { logger, topic } = this.#parts
    this.#trouble = error
    this.#fail(this.#waiting.splice(0), error)
    if (!this.#outage) logger.warn({ topic, error: error.message }, 'Kafka takes no records; writes are refused until it does')
    this.#outage = true
  }

  #failAll(error: EngineError): void {
    this.#fail(this.#waiting.splice(0), error)
  }

  #fail(batch: readonly Waiting[], error: EngineError): void {
    for (const { bytes, reject } of batch) {
      this.#hold(-bytes)
      reject(error)
    }
  }

  /** A send that is given up may still be tried by the client, which connects for that: it is cut off now, and after it. */
  #discard(producer: Producer, sending: Promise<unknown>): void {
    this.#producer = null
    const disconnect = () => producer.disconnect().catch(() => {})
    void disconnect()
    void sending.then(disconnect, disconnect)
  }

  /** Tries until there is a producer, or the log is closed. */
  async #makeProducer(): Promise<void> {
    const { kafka, topic, settings, clock } = this.#parts
    const { signal } = this.#closing
    for (let waitMs = RECONNECT_MS_MIN; !signal.aborted; waitMs = Math.min(2 * waitMs, RECONNECT_MS_MAX)) {
      if (this.#trouble !== null) await clock.sleep(waitMs, signal).catch(() => {})
      if (signal.aborted) break
      const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false })
      const connected = new AbortController()
      // Its own tries may take longer than appends wait.
      clock.sleep(APPEND_MS_MAX, connected.signal).then(
        () => this.#announce(this.#late()),
        () => {},
      )
      try {
        await producer.connect()
        if (!signal.aborted) this.#producer = producer
        this.#trouble = null
        producersMade.inc({ topic })
        break
      } catch (error) {
        this.#announce(kafkaError(error, settings, `appending to ${topic}`))
      } finally {
        connected.abort()
        if (this.#producer !== producer) await producer.disconnect().catch(() => {})
      }
    }
    this.#making = null
    if (this.#producer === null) this.#failAll(this.#closed())
    else if (this.#waiting.length > 0) this.#sendOn()
  }

  #late(): EngineError {
    const { topic, settings } = this.#parts
    const message = `appending to ${topic}: kafka at ${settings.brokers.join(', ')}: no acknowledgement within ${APPEND_MS_MAX} ms`
    return new EngineError('KAFKA_UNAVAILABLE', message, { retryable: true })
  }

  #closed(): EngineError {
    return new EngineError('LOG_CLOSED', `the log ${this.#parts.topic} is closed`, { retryable: false })
  }
}

/** As many as go into one batch of every partition, at least one. */
function nextBatch(waiting: Waiting[]): Waiting[] {
  const sizes = new Map<number, number>()
  let total = 0
  let count = 0
  for (const { bytes, partitionBytes } of waiting) {
    const fits = [...partitionBytes].every(([partition, own]) => (sizes.get(partition) ?? 0) + own <= BATCH_BYTES_MAX)
    if (count > 0 && (!fits || total + bytes > SEND_BYTES_MAX)) break
    for (const [partition, own] of partitionBytes) sizes.set(partition, (sizes.get(partition) ?? 0) + own)
    total += bytes
    count++
  }
  return waiting.splice(0, count)
}

/** Parts, in order, each of which fits into one send. */
function inParts(records: readonly RecordToAppend[], topic: string): RecordToAppend[][] {
  const parts: RecordToAppend[][] = []
  let sizes = new Map<number, number>()
  let total = 0
  for (const record of records) {
    const size = record.payload.length + RECORD_OVERHEAD_BYTES
    if (size > BATCH_BYTES_MAX) {
      const message = `a record of ${record.payload.length} bytes for ${topic}: expected at most ${BATCH_BYTES_MAX - RECORD_OVERHEAD_BYTES}`
      throw new EngineError('LOG_TOO_LARGE', message, { retryable: false })
    }
    const held = sizes.get(record.partition) ?? 0
    if (parts.length === 0 || held + size > BATCH_BYTES_MAX || total + size > SEND_BYTES_MAX) {
      parts.push([])
      sizes = new Map()
      total = 0
    }
    sizes.set(record.partition, (sizes.get(record.partition) ?? 0) + size)
    total += size
    parts.at(-1)!.push(record)
  }
  return parts
}
