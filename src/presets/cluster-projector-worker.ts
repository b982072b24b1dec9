import { setImmediate } from 'node:timers/promises'
import { parentPort } from 'node:worker_threads'
import { connectKafka, kafkaTopic } from '../engines/kafka/connection.ts'
import { KafkaOwnership } from '../engines/kafka/ownership.ts'
import { runProjection } from '../projections/series/runner.ts'
import { SeriesProjection } from '../projections/series/series-projection.ts'
import { invariant } from '../stdx/invariant.ts'
import { gauge, threadMetrics } from '../telemetry/metrics.ts'
import { openClusterThread } from './cluster-thread.ts'
import { serveCalls } from './worker-rpc.ts'

/** The projector of a cluster's process: folds the partitions that it owns into the store, and lets nobody read its head. */
invariant(parentPort !== null, 'the projector is started as a worker')
const { memory, engines, limits, clock, logger, clientId, store, log, control } = await openClusterThread('projector')
const ownership = new KafkaOwnership({
  kafka: connectKafka(engines.kafka, clientId, logger),
  topic: kafkaTopic(engines.kafka, log.topic),
  groupId: `${engines.kafka.topicPrefix}.project`,
  sessionTimeoutMs: engines.kafka.sessionTimeoutMs,
  clock,
  logger,
})
const projection = new SeriesProjection({
  memory,
  control,
  store,
  clock,
  logger,
  breathe: () => setImmediate(),
  rawRetentionMs: limits.rawRetentionMs,
})
const held = () => projection.held()
gauge(
  'tidemark_projection_lag_records',
  'Records of the log that are not yet applied, of the partitions that this process projects.',
  ['partition'],
  function () {
    this.reset()
    for (const partition of held())
      this.set({ partition: String(partition) }, Math.max(0, control.durable(partition) - control.applied(partition)))
  },
)
gauge('tidemark_projection_partitions', 'Partitions of the log that this process projects.', [], function () {
  this.set(held().length)
})
const ending = new AbortController()
const running = runProjection({ log, ownership, projection, control, clock, logger }, ending.signal)

serveCalls(parentPort, {
  seal: () => projection.sealAll(),
  metrics: () => threadMetrics(),
  /** Writes the head to the store and leaves its partitions to others. */
  stop: async () => {
    ending.abort()
    await running
    await Promise.all([log.close(), store.close()])
  },
})
