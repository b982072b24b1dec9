import { setTimeout as delay } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { LogBatch, LogRecord, RecordHeaders } from '../../domain/ports/event-log.ts'
import type { Offset, PartitionOffsets } from '../../domain/position.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter } from '../../telemetry/metrics.ts'
import { createCluster, EARLIEST, type KafkaCluster, type KafkaMessage, LATEST } from './cluster.ts'
import { kafkaError } from './connection.ts'
import type { KafkaSettings } from './settings.ts'

export interface KafkaReaderParts {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  /** As the brokers name it. */
  readonly topic: string
  readonly logger: Logger
}

const FETCH_WAIT_MS = 500
const FETCH_BYTES_MAX = 8 * 2 ** 20
const PARTITION_BYTES_MAX = 2 * 2 ** 20
/** Read ahead of who consumes. */
const BUFFERED_BYTES_MAX = 32 * 2 ** 20
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2000
/** A broker that has just become leader may know less of its end than we do, for a moment. */
const BEYOND_END_TRIES = 20

const fetchedBytes = counter('tidemark_kafka_fetched_bytes_total', 'Bytes of record payloads read from Kafka.', ['topic'])
const fetchFailures = counter('tidemark_kafka_fetch_failures_total', 'Rounds of reading from Kafka that failed and were begun again.', [
  'topic',
])

interface Fetched {
  readonly batch: LogBatch
  readonly bytes: number
}

/**
 * One reading of a topic from positions of its own. For each broker that leads some of the partitions a loop of fetches puts what it gets
 * into one bounded queue, from which the consumer takes. When anything fails all loops end, metadata is asked for anew, and they begin
 * again where they were.
 */
export class KafkaReader {
  readonly #parts: KafkaReaderParts
  readonly #next: Map<number, Offset>
  readonly #signal: AbortSignal
  readonly #cluster: KafkaCluster
  readonly #queue: Fetched[] = []
  #bytes = 0
  #failure: unknown = null
  #ended = false
  #wakeConsumer: () => void = () => {}
  #wakeFetchers: () => void = () => {}
  #beyondEnd = 0

  constructor(parts: KafkaReaderParts, from: PartitionOffsets, signal: AbortSignal) {
    this.#parts = parts
    this.#next = new Map(from)
    this.#signal = signal
    this.#cluster = createCluster(parts.kafka)
  }

  async *batches(): AsyncGenerator<LogBatch, void, undefined> {
    const wake = () => this.#wakeAll()
    this.#signal.addEventListener('abort', wake)
    const running = this.#run().catch((error: unknown) => {
      this.#failure = error
    })
    void running.then(() => {
      this.#ended = true
      this.#wakeAll()
    })
    try {
      while (!this.#signal.aborted) {
        const fetched = this.#queue.shift()
        if (fetched !== undefined) {
          this.#bytes -= fetched.bytes
          this.#wakeFetchers()
          yield fetched.batch
        } else if (this.#ended) {
          if (this.#failure !== null) throw this.#failure
          return
        } else {
          await new Promise<void>((resolve) => {
            this.#wakeConsumer = resolve
          })
        }
      }
    } finally {
      this.#ended = true
      this.#signal.removeEventListener('abort', wake)
      this.#wakeAll()
      // A fetch that waits is cut off by this; nobody waits for it. What was connecting at that moment is cut off after it.
      const disconnect = () => this.#cluster.disconnect().catch(() => {})
      void disconnect().then(() => running.then(disconnect))
    }
  }

  #wakeAll(): void {
    this.#wakeConsumer()
    this.#wakeFetchers()
  }

  get #isOver(): boolean {
    return this.#ended || this.#signal.aborted
  }

  async #run(): Promise<void> {
    const { topic, settings, logger } = this.#parts
    let failing = false
    for (let waitMs = RETRY_MS_MIN; !this.#isOver; waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
      try {
        await this.#cluster.connect()
        await this.#cluster.addTargetTopic(topic)
        await this.#cluster.refreshMetadata()
        if (failing) logger.info({ topic }, 'reading from Kafka again')
        failing = false
        await this.#fetchAll(() => {
          waitMs = RETRY_MS_MIN
        })
      } catch (error) {
        if (this.#isOver) return
        if (await this.#settle(error)) continue
        const engineError = kafkaError(error, settings, `reading ${topic}`)
        if (!engineError.retryable) throw engineError
        fetchFailures.inc({ topic })
        if (!failing) logger.warn({ topic, error: engineError.message }, 'reading from Kafka failed; it is tried again until it works')
        failing = true
        await delay(waitMs)
      }
    }
  }

  /** A loop for each leader, until one fails. */
  async #fetchAll(onProgress: () => void): Promise<void> {
    const leaders = this.#cluster.findLeaderForPartitions(this.#parts.topic, [...this.#next.keys()])
    const failed = { by: null as unknown }
    await Promise.all(
      Object.entries(leaders).map(async ([nodeId, partitions]) => {
        try {
          while (!this.#isOver && failed.by === null) {
            await this.#fetch(nodeId, partitions)
            onProgress()
          }
        } catch (error) {
          failed.by ??= error
        }
      }),
    )
    if (failed.by !== null) throw failed.by
  }

  async #fetch(nodeId: string, partitions: readonly number[]): Promise<void> {
    const { topic } = this.#parts
    while (this.#bytes >= BUFFERED_BYTES_MAX && !this.#isOver) {
      await new Promise<void>((resolve) => {
        const others = this.#wakeFetchers
        this.#wakeFetchers = () => {
          others()
          resolve()
        }
      })
      this.#wakeFetchers = () => {}
    }
    const broker = await this.#cluster.findBroker({ nodeId })
    const wanted = partitions.map((partition) => ({
      partition,
      fetchOffset: String(this.#next.get(partition)),
      maxBytes: PARTITION_BYTES_MAX,
    }))
    const options = { maxWaitTime: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES_MAX, topics: [{ topic, partitions: wanted }] }
    const { responses } = await broker.fetch(options)
    this.#beyondEnd = 0
    if (this.#isOver) return
    const records: LogRecord[] = []
    const gaps: LogBatch['gaps'][number][] = []
    const ends = new Map<number, Offset>()
    let bytes = 0
    for (const response of responses) {
      for (const { partition, highWatermark, messages } of response.partitions) {
        ends.set(partition, Number(highWatermark))
        for (const message of messages) bytes += this.#take(partition, message, records, gaps)
      }
    }
    fetchedBytes.inc({ topic }, bytes)
    this.#put({ batch: { records, gaps, ends }, bytes })
  }

  /** @returns bytes that were taken */
  #take(partition: number, message: KafkaMessage, records: LogRecord[], gaps: LogBatch['gaps'][number][]): number {
    const offset = Number(message.offset)
    const next = this.#next.get(partition)!
    // Batches come whole, also when the position lies in the middle of one.
    if (offset < next) return 0
    if (offset > next) gaps.push({ partition, from: next, to: offset })
    this.#next.set(partition, offset + 1)
    if (message.isControlRecord) return 0
    const payload = message.value ?? new Uint8Array(0)
    records.push({ partition, offset, appendedMs: Number(message.timestamp), headers: headersOf(message.headers), payload })
    return payload.length
  }

  #put(fetched: Fetched): void {
    this.#queue.push(fetched)
    this.#bytes += fetched.bytes
    this.#wakeConsumer()
  }

  /** A position that the broker does not have: a gap, if it has fallen off the log. @returns whether all is well again */
  async #settle(error: unknown): Promise<boolean> {
    if (!(error instanceof Error && 'type' in error && error.type === 'OFFSET_OUT_OF_RANGE')) return false
    const { topic } = this.#parts
    const starts = await offsetsOf(this.#cluster, topic, [...this.#next.keys()], EARLIEST)
    const ends = await offsetsOf(this.#cluster, topic, [...this.#next.keys()], LATEST)
    const gaps: LogBatch['gaps'][number][] = []
    for (const [partition, next] of this.#next) {
      const start = starts.get(partition) ?? 0
      const end = ends.get(partition) ?? 0
      if (next < start) {
        gaps.push({ partition, from: next, to: start })
        this.#next.set(partition, start)
      } else if (next > end) {
        if (this.#beyondEnd++ < BEYOND_END_TRIES) {
          await delay(RETRY_MS_MIN)
          return true
        }
        throw new EngineError('LOG_OFFSET', `partition ${partition} of ${topic} ends at ${end}; reading from ${next} was asked for`, {
          retryable: false,
        })
      }
    }
    if (gaps.length > 0) this.#put({ batch: { records: [], gaps, ends }, bytes: 0 })
    return true
  }
}

/** One end of each partition. */
export async function offsetsOf(
  cluster: KafkaCluster,
  topic: string,
  partitions: readonly number[],
  fromTimestamp: number,
): Promise<Map<number, Offset>> {
  const asked = [{ topic, partitions: partitions.map((partition) => ({ partition })), fromTimestamp }]
  const [answer] = await cluster.fetchTopicsOffset(asked)
  const offsets = (answer?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)] as const)
  return new Map(offsets.sort((a, b) => a[0] - b[0]))
}

function headersOf(headers: KafkaMessage['headers']): RecordHeaders {
  const texts: Record<string, string> = {}
  for (const [key, value] of Object.entries(headers ?? {})) {
    const one = Array.isArray(value) ? value[0] : value
    texts[key] = one === null || one === undefined ? '' : one.toString()
  }
  return texts
}
