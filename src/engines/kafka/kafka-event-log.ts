import type { Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog, LogBatch, RecordToAppend } from '../../domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../domain/position.ts'
import type { Logger } from '../../telemetry/log.ts'
import { KafkaAppender } from './appender.ts'
import { createCluster, EARLIEST, type KafkaCluster, LATEST } from './cluster.ts'
import { connectKafka, kafkaError, kafkaTopic } from './connection.ts'
import { KafkaReader, offsetsOf } from './reader.ts'
import type { KafkaSettings } from './settings.ts'

export interface KafkaEventLogOptions {
  readonly settings: KafkaSettings
  /** Its name in the domain, such as `tidemark.samples`. */
  readonly topic: string
  readonly generation: number
  /** How the brokers' logs call this client. */
  readonly clientId: string
  readonly clock: Clock
  readonly logger: Logger
  readonly bytesInFlightMax: number
}

/** Of opening a topic that is not known, two seconds in all. */
const OPEN_TRIES = 5
/** Of one question about offsets, some seconds in all. */
const OFFSET_TRIES = 6

/** A topic on Kafka. */
export class KafkaEventLog implements EventLog {
  readonly topic: string
  readonly partitionCount: number
  readonly generation: number
  readonly #options: KafkaEventLogOptions
  readonly #kafka: Kafka
  /** For questions about offsets. */
  readonly #cluster: KafkaCluster
  readonly #appender: KafkaAppender
  readonly #closing = new AbortController()
  readonly #name: string

  private constructor(options: KafkaEventLogOptions, kafka: Kafka, cluster: KafkaCluster, partitionCount: number) {
    this.#options = options
    this.topic = options.topic
    this.generation = options.generation
    this.partitionCount = partitionCount
    this.#kafka = kafka
    this.#cluster = cluster
    this.#name = kafkaTopic(options.settings, options.topic)
    const { settings, clock, logger, bytesInFlightMax } = options
    this.#appender = new KafkaAppender({ kafka, settings, topic: this.#name, clock, logger, bytesInFlightMax })
  }

  /** @throws EngineError that says what to do, such as to run `tidemark migrate` */
  static async open(options: KafkaEventLogOptions): Promise<KafkaEventLog> {
    const { settings, clientId, logger } = options
    const kafka = connectKafka(settings, clientId, logger)
    const cluster = createCluster(kafka)
    const topic = kafkaTopic(settings, options.topic)
    for (let tries = 1; ; tries++) {
      try {
        await cluster.connect()
        await cluster.addTargetTopic(topic)
        const partitionCount = cluster.findTopicPartitionMetadata(topic).length
        return new KafkaEventLog(options, kafka, cluster, partitionCount)
      } catch (error) {
        const engineError = kafkaError(error, settings, `opening ${topic}`)
        // A broker that has just started may not know the topic yet.
        if (tries < OPEN_TRIES && engineError.code === 'KAFKA_TOPIC_MISSING') {
          await options.clock.sleep(500)
          continue
        }
        await cluster.disconnect().catch(() => {})
        throw engineError
      }
    }
  }

  async append(records: readonly RecordToAppend[]): Promise<PartitionOffsets> {
    if (records.length === 0) return new Map()
    const wrong = records.find(({ partition }) => !(partition >= 0 && partition < this.partitionCount))
    if (wrong !== undefined) {
      throw new EngineError('LOG_PARTITION', `${this.#name} has partitions 0 to ${this.partitionCount - 1}, met ${wrong.partition}`, {
        retryable: false,
      })
    }
    return this.#appender.append(records)
  }

  async *read(from: PartitionOffsets, signal: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    const both = AbortSignal.any([signal, this.#closing.signal])
    if (both.aborted || from.size === 0) return
    const { settings, logger } = this.#options
    const reader = new KafkaReader({ kafka: this.#kafka, settings, topic: this.#name, logger }, from, both)
    yield* reader.batches()
  }

  starts(): Promise<PartitionOffsets> {
    return this.#offsets(EARLIEST)
  }

  ends(): Promise<PartitionOffsets> {
    return this.#offsets(LATEST)
  }

  async trim(before: PartitionOffsets): Promise<void> {
    const starts = await this.starts()
    const partitions = [...before]
      .filter(([partition, offset]) => offset > (starts.get(partition) ?? 0))
      .map(([partition, offset]) => ({ partition, offset: String(offset) }))
    if (partitions.length === 0) return
    const admin = this.#kafka.admin()
    try {
      await admin.connect()
      // Without a question about the topic before, the client does not know its leaders.
      await admin.fetchTopicOffsets(this.#name)
      await admin.deleteTopicRecords({ topic: this.#name, partitions })
    } catch (error) {
      throw kafkaError(error, this.#options.settings, `trimming ${this.#name}`)
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#appender.close()
    await this.#cluster.disconnect().catch(() => {})
  }

  async #offsets(end: number): Promise<PartitionOffsets> {
    const partitions = Array.from({ length: this.partitionCount }, (_, partition) => partition)
    for (let tries = 1; ; tries++) {
      try {
        await this.#cluster.connect()
        return await offsetsOf(this.#cluster, this.#name, partitions, end)
      } catch (error) {
        const engineError = kafkaError(error, this.#options.settings, `asking for offsets of ${this.#name}`)
        if (tries >= OFFSET_TRIES || !engineError.retryable) throw engineError
        // Leaders may have moved, or a topic is so new that its leader does not know of it yet.
        await this.#options.clock.sleep(50 * 2 ** tries)
        await this.#cluster.refreshMetadata().catch(() => {})
      }
    }
  }
}
