import type { Kafka } from 'kafkajs'
import { invariant } from '../../stdx/invariant.ts'

/**
 * What kafkajs' consumers and admin stand on, used directly: reading from a position that we keep needs no consumer group, and a group
 * would cost a rebalance before the first record and hide that a position has fallen off the log. Of a library whose version is pinned
 * for good, this is as stable as what it documents (decision 14).
 */
export interface KafkaCluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  /** By node, the partitions that it leads. */
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  findTopicPartitionMetadata(topic: string): readonly { partitionId: number }[]
  /** Of the brokers that the newest metadata lists. */
  getNodeIds(): string[]
  findBroker(options: { nodeId: string }): Promise<KafkaBroker>
  fetchTopicsOffset(
    topics: readonly { topic: string; partitions: readonly { partition: number }[]; fromTimestamp: number }[],
  ): Promise<readonly { topic: string; partitions: readonly { partition: number; offset: string }[] }[]>
}

export interface KafkaBroker {
  /** What this one broker knows. @throws an error with `type` where it does not know a topic, or a leader */
  metadata(topics: readonly string[]): Promise<unknown>
  /** @throws an error with `type`, and `partition` where one of them is refused */
  fetch(options: {
    maxWaitTime: number
    minBytes: number
    maxBytes: number
    topics: readonly {
      topic: string
      partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[]
    }[]
  }): Promise<{
    responses: readonly {
      topicName: string
      partitions: readonly {
        partition: number
        highWatermark: string
        messages: readonly KafkaMessage[]
      }[]
    }[]
  }>
}

export interface KafkaMessage {
  readonly offset: string
  readonly timestamp: string
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | null>> | null
  readonly isControlRecord?: boolean
}

/** As the broker names the two ends of a partition in place of a time. */
export const EARLIEST = -2
export const LATEST = -1

/** Connections of their own: a fetch that waits would hold up whatever is sent behind it. */
export function createCluster(kafka: Kafka): KafkaCluster {
  const create = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === 'private:Kafka:createCluster')
  invariant(create !== undefined, 'kafkajs 2.2.4 makes clusters by a method of this name')
  const makeCluster = (kafka as unknown as Record<symbol, (options: object) => KafkaCluster>)[create]
  return makeCluster({ metadataMaxAge: 30_000, allowAutoTopicCreation: false, isolationLevel: 0 })
}
