import { parentPort } from 'node:worker_threads'
import { runTailingHead, TailingHead } from '../projections/series/tailing-head.ts'
import { invariant } from '../stdx/invariant.ts'
import { gauge, threadMetrics } from '../telemetry/metrics.ts'
import { openClusterThread } from './cluster-thread.ts'
import { serveCalls } from './worker-rpc.ts'

/** The head of a cluster's process that answers queries: it tails the whole log and writes nothing. */
invariant(parentPort !== null, 'the head is started as a worker')
const { memory, limits, clock, logger, store, log, control } = await openClusterThread('head')
const head = new TailingHead({ memory, control, store, clock, logger, rawRetentionMs: limits.rawRetentionMs })
const { partitions } = memory.limits
gauge('tidemark_head_lag_records', 'Records of the log that are durable and not yet in this process’ head.', ['partition'], function () {
  for (let partition = 0; partition < partitions; partition++) {
    this.set({ partition: String(partition) }, Math.max(0, control.durable(partition) - control.applied(partition)))
  }
})
gauge(
  'tidemark_head_age_seconds',
  'Age of the oldest record of the log that is not yet in this process’ head; 0 when caught up.',
  [],
  function () {
    this.set(control.ageMs(partitions, clock.nowMs()) / 1000)
  },
)
const ending = new AbortController()
const running = runTailingHead({ log, head, control, clock, logger }, ending.signal)

serveCalls(parentPort, {
  metadata: () => head.fold.metadata.all(),
  logStarts: () => log.starts(),
  metrics: () => threadMetrics(),
  stop: async () => {
    ending.abort()
    await running
    await Promise.all([log.close(), store.close()])
  },
})
