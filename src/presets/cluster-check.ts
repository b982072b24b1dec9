import type { EnginesConfig } from '../config.ts'
import { EngineError } from '../domain/errors.ts'
import { type ClusterFormed, clusterFormedHeaders, decodeClusterFormed, encodeClusterFormed } from '../domain/events/cluster-formed.ts'
import { MEMBERSHIP_TOPIC, OPERATIONS_TOPIC, SAMPLES_SPREAD, SAMPLES_TOPIC } from '../domain/events/topics.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { Offset } from '../domain/position.ts'
import { HOUR_MS } from '../domain/time.ts'
import { CassandraBlockStore } from '../engines/cassandra/cassandra-block-store.ts'
import { migrateCassandra, readCluster } from '../engines/cassandra/migrations.ts'
import { kafkaTopic } from '../engines/kafka/connection.ts'
import { KafkaEventLog } from '../engines/kafka/kafka-event-log.ts'
import { checkTopics, ensureTopics, type TopicSpec } from '../engines/kafka/topics.ts'
import { decodeCheckpoint, readCheckpoints } from '../projections/series/checkpoints.ts'
import { SERIES_VERSION } from '../projections/series/series-fold.ts'
import type { Logger } from '../telemetry/log.ts'

/** Of a new cluster, when the configuration does not say. */
const PARTITIONS = 16
/** The first generation of the samples topic. */
const GENERATION = 1
const END_TRIES = 4
const END_WAIT_MS = 500

export interface ClusterParts {
  readonly engines: EnginesConfig
  /** What the configuration says; null: nothing. */
  readonly partitions: number | null
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Makes what a cluster stands on, or brings it up to date: keyspace, tables, topics. May be run again, and by several at once.
 * @throws EngineError when what is there does not fit
 */
export async function migrateCluster(parts: ClusterParts): Promise<ClusterFormed> {
  const { engines, logger } = parts
  const wanted = { partitions: parts.partitions ?? PARTITIONS, spread: SAMPLES_SPREAD, generation: GENERATION }
  const cluster = await migrateCassandra(engines.cassandra, wanted, logger)
  refuseOtherPartitions(cluster, parts.partitions)
  await ensureTopics(engines.kafka, topicsOf(engines, cluster.partitions), logger)
  refuse(await checkTopics(engines.kafka, topicsOf(engines, cluster.partitions), logger))
  await refuseLostTopic(parts, cluster)
  await withLog(parts, OPERATIONS_TOPIC, async (operations) => {
    const formed = await firstRecord(operations)
    if (formed !== null) return refuseOtherCluster(engines, cluster, formed)
    await operations.append([{ partition: 0, headers: clusterFormedHeaders(cluster), payload: encodeClusterFormed(cluster) }])
    // Another migration may have been quicker: the first record counts.
    const first = await firstRecord(operations)
    if (first !== null) refuseOtherCluster(engines, cluster, first)
  })
  if (engines.s3 !== null) refuse(await checkArchive(engines.s3))
  return cluster
}

/** Looks whether all that a process needs is there and fits together. @throws EngineError that says what to do */
export async function checkCluster(parts: ClusterParts): Promise<ClusterFormed> {
  const { engines, logger } = parts
  const cluster = await readCluster(engines.cassandra, logger)
  refuseOtherPartitions(cluster, parts.partitions)
  refuse(await checkTopics(engines.kafka, topicsOf(engines, cluster.partitions), logger))
  await withLog(parts, OPERATIONS_TOPIC, async (operations) => {
    const formed = await firstRecord(operations)
    if (formed === null) return refuse([`${operations.topic} is empty: run \`tidemark migrate\` with this configuration first`])
    refuseOtherCluster(engines, cluster, formed)
  })
  await refuseLostTopic(parts, cluster)
  if (engines.s3 !== null) refuse(await checkArchive(engines.s3))
  return cluster
}

function topicsOf({ kafka }: EnginesConfig, partitions: number): TopicSpec[] {
  return [
    { topic: SAMPLES_TOPIC, partitions, retentionMs: kafka.retentionMs },
    { topic: OPERATIONS_TOPIC, partitions: 1, retentionMs: null },
    { topic: MEMBERSHIP_TOPIC, partitions: 1, retentionMs: HOUR_MS },
  ]
}

/** The archive's library is slow to load: only where there is an archive. */
async function checkArchive(settings: NonNullable<EnginesConfig['s3']>): Promise<readonly string[]> {
  const { checkS3 } = await import('../engines/s3/check.ts')
  return checkS3(settings)
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new EngineError('CLUSTER', problems.join('\n'), { retryable: false })
}

function refuseOtherPartitions(cluster: ClusterFormed, partitions: number | null): void {
  if (partitions === null || partitions === cluster.partitions) return
  refuse([
    `partitions: met ${partitions}, but this cluster was made with ${cluster.partitions}, which can't be changed: leave the setting out, or say ${cluster.partitions}`,
  ])
}

function refuseOtherCluster({ kafka, cassandra }: EnginesConfig, cluster: ClusterFormed, formed: ClusterFormed): void {
  if (formed.clusterId === cluster.clusterId) return
  refuse([
    `the topics ${kafka.topicPrefix}.* belong to another cluster (${formed.clusterId}) than the keyspace ${cassandra.keyspace} (${cluster.clusterId}): ` +
      'two clusters on one topic would mix their samples; choose another engines.kafka.topic_prefix or engines.cassandra.keyspace',
  ])
}

/**
 * The keyspace knows how far the samples topic has been read. One that ends before is new, or not the one that was read: what is appended
 * to it would be passed by as read already.
 */
async function refuseLostTopic(parts: ClusterParts, cluster: ClusterFormed): Promise<void> {
  const { engines, clock, logger } = parts
  const store = await CassandraBlockStore.open({ settings: engines.cassandra, rawRetentionMs: HOUR_MS, clock, logger })
  try {
    const rows = await readCheckpoints(store, SERIES_VERSION)
    if (rows.size === 0) return
    const read = new Map([...rows].map(([partition, bytes]) => [partition, decodeCheckpoint(bytes, partition).offset]))
    await withLog(parts, SAMPLES_TOPIC, async (samples) => {
      for (let tries = 1; ; tries++) {
        const ends = await samples.ends()
        const lost = [...read].find(([partition, offset]) => offset > (ends.get(partition) ?? 0))
        if (lost === undefined) return
        // A broker that has just become leader may know less of its end, for a moment.
        if (tries < END_TRIES) await clock.sleep(END_WAIT_MS)
        else refuse([lostTopic(engines, cluster, lost, ends.get(lost[0]) ?? 0)])
      }
    })
  } finally {
    await store.close()
  }
}

function lostTopic({ kafka, cassandra }: EnginesConfig, { clusterId }: ClusterFormed, [partition, offset]: [number, Offset], end: Offset) {
  return (
    `the keyspace ${cassandra.keyspace} of cluster ${clusterId} was filled up to offset ${offset} of partition ${partition}, but that of ` +
    `${kafkaTopic(kafka, SAMPLES_TOPIC)} ends at ${end}: it is not the topic that was read, or it has lost records; set engines.kafka.topic_prefix ` +
    'to what it was, restore the topic, or begin anew with another engines.cassandra.keyspace'
  )
}

async function withLog(parts: ClusterParts, topic: string, work: (log: KafkaEventLog) => Promise<void>): Promise<void> {
  const { engines, clock, logger } = parts
  const log = await KafkaEventLog.open({
    settings: engines.kafka,
    topic,
    generation: GENERATION,
    clientId: 'tidemark-check',
    clock,
    logger,
    bytesInFlightMax: 2 ** 20,
  })
  try {
    await work(log)
  } finally {
    await log.close()
  }
}

async function firstRecord(operations: KafkaEventLog): Promise<ClusterFormed | null> {
  const start = (await operations.starts()).get(0) ?? 0
  if (((await operations.ends()).get(0) ?? 0) <= start) return null
  const ending = new AbortController()
  for await (const { records } of operations.read(new Map([[0, start]]), ending.signal)) {
    if (records.length > 0) return decodeClusterFormed(records[0].headers, records[0].payload)
  }
  return null
}
