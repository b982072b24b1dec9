import { workerData } from 'node:worker_threads'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import { CassandraBlockStore } from '../engines/cassandra/cassandra-block-store.ts'
import { KafkaEventLog } from '../engines/kafka/kafka-event-log.ts'
import { SystemClock } from '../engines/system-clock.ts'
import { Control } from '../projections/series/control.ts'
import { createLogger } from '../telemetry/log.ts'
import type { ClusterThreadData } from './cluster-threads.ts'

/**
 * What a thread of a cluster's process that reads the log stands on, from what it was started with.
 * @param name of the thread, in its log lines and as Kafka sees it
 */
export async function openClusterThread(name: string) {
  const data = workerData as ClusterThreadData // as cluster.ts starts it
  const { memory, engines, limits, logLevel, generation, processName } = data
  const clock = new SystemClock()
  const logger = createLogger(logLevel, { thread: name })
  const clientId = `${processName}-${name}`
  const [store, log] = await Promise.all([
    CassandraBlockStore.open({ settings: engines.cassandra, rawRetentionMs: limits.rawRetentionMs, clock, logger }),
    KafkaEventLog.open({
      settings: engines.kafka,
      topic: SAMPLES_TOPIC,
      generation,
      clientId,
      clock,
      logger,
      bytesInFlightMax: limits.appendBytesInFlightMax,
    }),
  ])
  return { memory, engines, limits, clock, logger, clientId, store, log, control: new Control(memory.control) }
}
