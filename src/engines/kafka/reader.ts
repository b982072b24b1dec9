import { setTimeout as delay } from 'node:timers/promises'
import type { Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { LogBatch, LogRecord, RecordHeaders } from '../../domain/ports/event-log.ts'
import type { Offset, PartitionOffsets } from '../../domain/position.ts'
import { invariant } from '../../stdx/invariant.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter } from '../../telemetry/metrics.ts'
import { createCluster, EARLIEST, type KafkaBroker, type KafkaCluster, type KafkaMessage, LATEST } from './cluster.ts'
import { kafkaError } from './connection.ts'
import type { KafkaSettings } from './settings.ts'

export interface KafkaReaderParts {
  readonly kafka: Kafka
  readonly settings: KafkaSettings
  /** As the brokers name it. */
  readonly topic: string
  readonly logger: Logger
  /** A topic that the brokers don't know for so long has been deleted; one that has just started may not know it yet. 10 s when left out. */
  readonly topicMissingMsMax?: number
}

const FETCH_WAIT_MS = 500
const FETCH_BYTES_MAX = 8 * 2 ** 20
const PARTITION_BYTES_MAX = 2 * 2 ** 20
/** Read ahead of who consumes; a fetch of each broker may come on top. */
const BUFFERED_BYTES_MAX = 32 * 2 ** 20
const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 2000
/** A broker that has just become leader may know less of its end than we do, for a moment. */
const BEYOND_END_TRIES = 20
const TOPIC_MISSING_MS_MAX = 10_000

const fetchedBytes = counter('tidemark_kafka_fetched_bytes_total', 'Bytes of record payloads read from Kafka.', ['topic'])
const fetchFailures = counter('tidemark_kafka_fetch_failures_total', 'Rounds of reading from Kafka that failed and were begun again.', [
  'topic',
])

interface Fetched {
  readonly batch: LogBatch
  readonly bytes: number
}

type Gap = LogBatch['gaps'][number]

/** Wakes whoever waits. */
class Bell {
  #waiting: (() => void)[] = []

  ring(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/**
 * One reading of a topic from positions of its own.
 * 1. Every partition is *unassigned* or in the *lane* of the broker that leads it.
 * 2. A lane is a loop of fetches; what it gets goes into one bounded queue, from which the consumer takes.
 * 3. When a lane fails its partitions are unassigned again; other lanes go on. After a pause that grows, metadata is asked for anew and
 *    the unassigned go to lanes again, where they were. That goes on until it works, the signal aborts, or the brokers refuse for good.
 */
export class KafkaReader {
  readonly #parts: KafkaReaderParts
  readonly #next: Map<number, Offset>
  readonly #signal: AbortSignal
  readonly #cluster: KafkaCluster
  readonly #queue: Fetched[] = []
  readonly #lanes = new Map<string, Set<number>>()
  readonly #running = new Set<Promise<void>>()
  readonly #unassigned: Set<number>
  /** Partitions that failed and have not been read since. */
  readonly #troubled = new Set<number>()
  #troubledSinceMs = 0
  /** The operator knows of the trouble. */
  #told = false
  #waitMs = 0
  readonly #beyondEnd = new Map<number, number>()
  #bytes = 0
  #refused: EngineError | null = null
  #left = false
  readonly #filled = new Bell()
  readonly #emptied = new Bell()
  readonly #changed = new Bell()

  constructor(parts: KafkaReaderParts, from: PartitionOffsets, signal: AbortSignal) {
    this.#parts = parts
    this.#next = new Map(from)
    this.#unassigned = new Set(from.keys())
    this.#signal = signal
    this.#cluster = createCluster(parts.kafka)
  }

  /** @throws EngineError when the brokers refuse for good */
  async *batches(): AsyncGenerator<LogBatch, void, undefined> {
    const wake = () => this.#wakeAll()
    this.#signal.addEventListener('abort', wake)
    const supervising = this.#supervise()
    try {
      while (!this.#signal.aborted) {
        const fetched = this.#queue.shift()
        if (fetched !== undefined) {
          this.#bytes -= fetched.bytes
          this.#emptied.ring()
          yield fetched.batch
        } else if (this.#refused !== null) {
          throw this.#refused
        } else {
          await this.#filled.wait()
        }
      }
    } finally {
      this.#left = true
      this.#signal.removeEventListener('abort', wake)
      this.#wakeAll()
      // A fetch that waits is cut off by this; nobody waits for it. What was connecting at that moment is cut off after it.
      const disconnect = () => this.#cluster.disconnect().catch(() => {})
      void disconnect().then(async () => {
        await supervising
        await Promise.all(this.#running)
        await disconnect()
      })
    }
  }

  #wakeAll(): void {
    this.#filled.ring()
    this.#emptied.ring()
    this.#changed.ring()
  }

  get #isOver(): boolean {
    return this.#left || this.#refused !== null || this.#signal.aborted
  }

  async #supervise(): Promise<void> {
    while (!this.#isOver) {
      if (this.#unassigned.size === 0) {
        await this.#changed.wait()
        continue
      }
      if (this.#waitMs > 0) await delay(this.#waitMs)
      this.#waitMs = Math.min(Math.max(2 * this.#waitMs, RETRY_MS_MIN), RETRY_MS_MAX)
      if (!this.#isOver) await this.#assign()
    }
  }

  async #assign(): Promise<void> {
    const { topic } = this.#parts
    try {
      await this.#cluster.connect()
      await this.#cluster.addTargetTopic(topic)
      await this.#cluster.refreshMetadata()
      const leaders = this.#cluster.findLeaderForPartitions(topic, [...this.#unassigned])
      for (const [nodeId, partitions] of Object.entries(leaders)) if (nodeId !== '-1') this.#extendLane(nodeId, partitions)
      if (this.#unassigned.size > 0) this.#fail([...this.#unassigned], new Error(`partitions ${[...this.#unassigned]} have no leader`))
    } catch (error) {
      this.#fail([...this.#unassigned], error)
    }
  }

  #extendLane(nodeId: string, partitions: readonly number[]): void {
    for (const partition of partitions) this.#unassigned.delete(partition)
    const lane = this.#lanes.get(nodeId)
    if (lane !== undefined) {
      for (const partition of partitions) lane.add(partition)
      return
    }
    const begun = new Set(partitions)
    this.#lanes.set(nodeId, begun)
    const running = this.#runLane(nodeId, begun).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #runLane(nodeId: string, partitions: ReadonlySet<number>): Promise<void> {
    try {
      while (!this.#isOver) {
        while (this.#bytes >= BUFFERED_BYTES_MAX && !this.#isOver) await this.#emptied.wait()
        if (this.#isOver) return
        // Others may join while a fetch is under way.
        const asked = [...partitions]
        await this.#fetch(nodeId, asked)
        this.#recover(asked)
      }
    } catch (error) {
      this.#lanes.delete(nodeId)
      this.#fail([...partitions], error)
    }
  }

  #recover(partitions: readonly number[]): void {
    if (this.#troubled.size === 0) return
    for (const partition of partitions) this.#troubled.delete(partition)
    if (this.#troubled.size > 0) return
    this.#waitMs = 0
    if (this.#told) this.#parts.logger.info({ topic: this.#parts.topic }, 'reading from Kafka again')
    this.#told = false
  }

  #fail(partitions: readonly number[], error: unknown): void {
    if (this.#isOver) return
    const { topic, settings, logger, topicMissingMsMax = TOPIC_MISSING_MS_MAX } = this.#parts
    const engineError = kafkaError(error, settings, `reading ${topic}`)
    fetchFailures.inc({ topic })
    if (this.#troubled.size === 0) {
      this.#troubledSinceMs = performance.now()
      this.#waitMs = 0
    } else if (!this.#told) {
      // That a leader moves is no trouble yet: it is looked for at once, and only then waited for.
      this.#told = true
      logger.warn({ topic, error: engineError.message }, 'reading from Kafka failed; it is tried again until it works')
    }
    for (const partition of partitions) {
      this.#unassigned.add(partition)
      this.#troubled.add(partition)
    }
    const mayPass =
      engineError.retryable || (engineError.code === 'KAFKA_TOPIC_MISSING' && performance.now() - this.#troubledSinceMs < topicMissingMsMax)
    if (!mayPass) this.#refused = engineError
    if (this.#refused === null) this.#changed.ring()
    else this.#wakeAll()
  }

  async #fetch(nodeId: string, partitions: readonly number[]): Promise<void> {
    const { topic } = this.#parts
    const wanted = partitions.map((partition) => ({
      partition,
      fetchOffset: String(this.#next.get(partition)),
      maxBytes: PARTITION_BYTES_MAX,
    }))
    const options = { maxWaitTime: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES_MAX, topics: [{ topic, partitions: wanted }] }
    let responses: Awaited<ReturnType<KafkaBroker['fetch']>>['responses']
    try {
      const broker = await this.#cluster.findBroker({ nodeId })
      responses = (await broker.fetch(options)).responses
    } catch (error) {
      if (!isOutOfRange(error)) throw error
      return this.#settle(partitions)
    }
    if (this.#isOver) return
    const records: LogRecord[] = []
    const gaps: Gap[] = []
    const ends = new Map<number, Offset>()
    let bytes = 0
    for (const response of responses) {
      for (const { partition, highWatermark, messages } of response.partitions) {
        this.#beyondEnd.delete(partition)
        ends.set(partition, Number(highWatermark))
        for (const message of messages) bytes += this.#take(partition, message, records, gaps)
      }
    }
    fetchedBytes.inc({ topic }, bytes)
    this.#put({ batch: { records, gaps, ends }, bytes })
  }

  /** @returns bytes that were taken */
  #take(partition: number, message: KafkaMessage, records: LogRecord[], gaps: Gap[]): number {
    const offset = Number(message.offset)
    const next = this.#next.get(partition)
    invariant(next !== undefined, 'only partitions with a position are fetched')
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
    this.#filled.ring()
  }

  /** Of some partition the broker does not have the position: a gap, if it has fallen off the log. */
  async #settle(partitions: readonly number[]): Promise<void> {
    const { topic } = this.#parts
    const starts = await offsetsOf(this.#cluster, topic, partitions, EARLIEST)
    const ends = await offsetsOf(this.#cluster, topic, partitions, LATEST)
    const gaps: Gap[] = []
    let beyond = false
    for (const partition of partitions) {
      const next = this.#next.get(partition) ?? 0
      const start = starts.get(partition) ?? 0
      const end = ends.get(partition) ?? 0
      if (next < start) {
        gaps.push({ partition, from: next, to: start })
        this.#next.set(partition, start)
      } else if (next > end) {
        beyond = true
        const tries = (this.#beyondEnd.get(partition) ?? 0) + 1
        this.#beyondEnd.set(partition, tries)
        if (tries < BEYOND_END_TRIES) continue
        const message = `partition ${partition} of ${topic} ends at offset ${end}, asked for ${next}: another topic of that name, or one that has lost records`
        throw new EngineError('LOG_OFFSET', message, { retryable: false })
      }
    }
    if (gaps.length > 0) this.#put({ batch: { records: [], gaps, ends }, bytes: 0 })
    if (beyond) await delay(RETRY_MS_MIN)
  }
}

function isOutOfRange(error: unknown): boolean {
  return error instanceof Error && 'type' in error && error.type === 'OFFSET_OUT_OF_RANGE'
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
