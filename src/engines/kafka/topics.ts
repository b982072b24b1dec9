import { setTimeout as delay } from 'node:timers/promises'
import kafkajs, { type Admin, type Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { Logger } from '../../telemetry/log.ts'
import { BATCH_BYTES_MAX } from './appender.ts'
import { createCluster } from './cluster.ts'
import { connectKafka, kafkaError, kafkaTopic } from './connection.ts'
import type { KafkaSettings } from './settings.ts'

export interface TopicSpec {
  /** Its name in the domain. */
  readonly topic: string
  readonly partitions: number
  /** null: for ever. */
  readonly retentionMs: number | null
}

const MESSAGE_BYTES = 2 * 2 ** 20
/** New topics are known within moments; half a minute is for a cluster that is starting. */
const KNOWN_WAIT_MS = 100
const KNOWN_TRIES_MAX = 300
const NOT_YET: ReadonlySet<unknown> = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'])
const HOUR_MS = 3_600_000
const CONNECT_MS_MAX = 10_000
const DISCONNECT_MS_MAX = 1000

/** Makes the topics that are missing; those that are there stay as they are. */
export async function ensureTopics(settings: KafkaSettings, wanted: readonly TopicSpec[], logger: Logger): Promise<void> {
  await withAdmin(settings, logger, 'making topics', async (admin, kafka) => {
    const replication = await replicationOf(admin, settings)
    const known = new Set(await admin.listTopics())
    const missing = wanted.filter(({ topic }) => !known.has(kafkaTopic(settings, topic)))
    if (missing.length === 0) return
    await refuseTooFewBrokers(admin, settings, replication)
    await admin.createTopics({
      // Its own wait gives up when the broker that it asks has not heard of the topic yet.
      waitForLeaders: false,
      topics: missing.map((spec) => ({
        topic: kafkaTopic(settings, spec.topic),
        numPartitions: spec.partitions,
        replicationFactor: replication,
        configEntries: Object.entries(configOf(spec, replication)).map(([name, value]) => ({ name, value })),
      })),
    })
    await untilKnown(
      kafka,
      missing.map(({ topic }) => kafkaTopic(settings, topic)),
    )
    logger.info({ topics: missing.map(({ topic }) => kafkaTopic(settings, topic)), replication }, 'topics made')
  })
}

/** What is wrong with the topics that are there, each with what mends it; none when all is well. */
export async function checkTopics(settings: KafkaSettings, wanted: readonly TopicSpec[], logger: Logger): Promise<string[]> {
  return withAdmin(settings, logger, 'looking at topics', async (admin) => {
    const known = new Set(await admin.listTopics())
    const names = wanted.map(({ topic }) => kafkaTopic(settings, topic))
    const problems = names
      .filter((name) => !known.has(name))
      .map((name) => `topic ${name} is missing: run \`tidemark migrate\` with this configuration, or make it`)
    const present = wanted.filter(({ topic }) => known.has(kafkaTopic(settings, topic)))
    if (present.length === 0) return problems
    const replication = await replicationOf(admin, settings)
    const { topics } = await admin.fetchTopicMetadata({ topics: present.map(({ topic }) => kafkaTopic(settings, topic)) })
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: present.map(({ topic }) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name: kafkaTopic(settings, topic) })),
    })
    for (const spec of present) {
      const name = kafkaTopic(settings, spec.topic)
      const partitions = topics.find((topic) => topic.name === name)?.partitions ?? []
      const entries = resources.find(({ resourceName }) => resourceName === name)?.configEntries ?? []
      const config = new Map(entries.map(({ configName, configValue }) => [configName, configValue]))
      const copies = Math.min(...partitions.map(({ replicas }) => replicas.length))
      problems.push(...problemsOf(name, spec, { partitions: partitions.length, copies, config }, replication))
    }
    return problems
  })
}

interface Met {
  readonly partitions: number
  readonly copies: number
  readonly config: ReadonlyMap<string, string>
}

function* problemsOf(name: string, spec: TopicSpec, { partitions, copies, config }: Met, replication: number): Iterable<string> {
  const alter = (setting: string) => `kafka-configs.sh --alter --topic ${name} --add-config ${setting}`
  if (partitions !== spec.partitions) {
    yield `topic ${name} has ${partitions} partitions, expected ${spec.partitions}: the number is fixed when a cluster is made, since it decides where a series stands; ` +
      'make the topic anew, or choose another engines.kafka.topic_prefix'
  }
  if (copies < replication) {
    yield `topic ${name} has ${copies} ${copies === 1 ? 'copy' : 'copies'} of a partition, expected ${replication}: ` +
      `add some with kafka-reassign-partitions.sh, or set engines.kafka.replication to ${copies}`
  }
  const acks = Number(config.get('min.insync.replicas') ?? 1)
  const wantedAcks = Number(configOf(spec, replication)['min.insync.replicas'])
  if (acks < wantedAcks) {
    yield `topic ${name} acknowledges with ${acks} copy in sync, expected ${wantedAcks}: ${alter(`min.insync.replicas=${wantedAcks}`)}`
  }
  if (copies > 0 && acks > copies) {
    yield `topic ${name} wants ${acks} copies in sync and has ${copies}: nothing can be written; ${alter(`min.insync.replicas=${wantedAcks}`)}`
  }
  if (config.get('message.timestamp.type') !== 'LogAppendTime') {
    yield `topic ${name} has message.timestamp.type ${config.get('message.timestamp.type') ?? 'unknown'}, expected LogAppendTime: ${alter('message.timestamp.type=LogAppendTime')}`
  }
  if (config.get('cleanup.policy') !== 'delete') {
    yield `topic ${name} has cleanup.policy ${config.get('cleanup.policy') ?? 'unknown'}, expected delete: ${alter('cleanup.policy=delete')}`
  }
  const bytes = Number(config.get('max.message.bytes') ?? 0)
  if (bytes < BATCH_BYTES_MAX) {
    yield `topic ${name} takes batches of ${bytes} bytes, expected at least ${BATCH_BYTES_MAX}: ${alter(`max.message.bytes=${MESSAGE_BYTES}`)}`
  }
  const retentionMs = Number(config.get('retention.ms') ?? 0)
  if (retentionMs !== -1 && (spec.retentionMs === null || retentionMs < spec.retentionMs)) {
    const wanted = spec.retentionMs ?? -1
    yield `topic ${name} keeps records for ${retentionMs} ms, expected ${wanted}: ${alter(`retention.ms=${wanted}`)}`
  }
}

function configOf({ retentionMs }: TopicSpec, replication: number): Readonly<Record<string, string>> {
  // A segment goes as a whole: of what is kept for an hour they must be small.
  const segmentMs = retentionMs === null ? 7 * 24 * HOUR_MS : Math.max(HOUR_MS / 6, retentionMs / 12)
  return {
    'cleanup.policy': 'delete',
    'retention.ms': String(retentionMs ?? -1),
    'segment.ms': String(Math.floor(segmentMs)),
    'min.insync.replicas': replication >= 3 ? '2' : '1',
    'message.timestamp.type': 'LogAppendTime',
    'max.message.bytes': String(MESSAGE_BYTES),
    'compression.type': 'producer',
    'unclean.leader.election.enable': 'false',
  }
}

/** Waits until every broker knows the topics and their leaders: processes that start next ask any of them. */
async function untilKnown(kafka: Kafka, names: readonly string[]): Promise<void> {
  const cluster = createCluster(kafka)
  try {
    await cluster.connect()
    await cluster.refreshMetadata()
    for (const nodeId of cluster.getNodeIds()) {
      for (let tries = 1; ; tries++) {
        try {
          await (await cluster.findBroker({ nodeId })).metadata(names)
          break
        } catch (error) {
          // One that is away learns of them when it is back.
          if (!(error instanceof Error && 'type' in error && NOT_YET.has(error.type))) break
          if (tries === KNOWN_TRIES_MAX) throw error
          await delay(KNOWN_WAIT_MS)
        }
      }
    }
  } finally {
    await cluster.disconnect().catch(() => {})
  }
}

async function replicationOf(admin: Admin, { replication }: KafkaSettings): Promise<number> {
  if (replication !== 'auto') return replication
  const { brokers } = await admin.describeCluster()
  return brokers.length >= 3 ? 3 : 1
}

async function refuseTooFewBrokers(admin: Admin, settings: KafkaSettings, replication: number): Promise<void> {
  const { brokers } = await admin.describeCluster()
  if (brokers.length >= replication) return
  throw new EngineError(
    'KAFKA_REPLICATION',
    `kafka at ${settings.brokers.join(', ')} has ${brokers.length} ${brokers.length === 1 ? 'broker' : 'brokers'}, expected at least ${replication} for engines.kafka.replication ${replication}: ` +
      'start more brokers, or set engines.kafka.replication to auto or to a smaller number',
    { retryable: false },
  )
}

async function withAdmin<T>(
  settings: KafkaSettings,
  logger: Logger,
  doing: string,
  work: (admin: Admin, kafka: Kafka) => Promise<T>,
): Promise<T> {
  const kafka = connectKafka(settings, 'tidemark-admin', logger)
  const admin = kafka.admin()
  try {
    await connectInTime(admin)
    return await work(admin, kafka)
  } catch (error) {
    throw kafkaError(error, settings, doing)
  } finally {
    // One that never got an answer may not answer to this either.
    await Promise.race([admin.disconnect().catch(() => {}), delay(DISCONNECT_MS_MAX, undefined, { ref: false })])
  }
}

/** The client would ask a port that accepts and stays silent for a minute. */
async function connectInTime(admin: Admin): Promise<void> {
  const connected = new AbortController()
  const late = delay(CONNECT_MS_MAX, 'late', { signal: connected.signal }).catch(() => 'connected')
  try {
    const outcome = await Promise.race([admin.connect(), late])
    if (outcome === 'late') throw new Error(`no answer of a Kafka broker within ${CONNECT_MS_MAX / 1000} s`)
  } finally {
    connected.abort()
  }
}
