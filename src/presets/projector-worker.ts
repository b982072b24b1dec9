import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import { EmbeddedLogReader } from '../engines/embedded/log/log-reader.ts'
import { SqliteBlockStore } from '../engines/embedded/store/sqlite-block-store.ts'
import { SystemClock } from '../engines/system-clock.ts'
import { Control } from '../projections/series/control.ts'
import { runProjection } from '../projections/series/runner.ts'
import { SeriesProjection } from '../projections/series/series-projection.ts'
import { invariant } from '../stdx/invariant.ts'
import { createLogger } from '../telemetry/log.ts'
import { threadMetrics } from '../telemetry/metrics.ts'
import { allPartitions } from './all-partitions.ts'
import { folders, type ThreadData } from './threads.ts'
import { serveCalls } from './worker-rpc.ts'

/** The projector's thread: the only writer of head, index and block store. */
invariant(parentPort !== null, 'the projector is started as a worker')
const { memory, dataDir, logShared, limits, logLevel } = workerData as ThreadData // as embedded.ts starts it
const clock = new SystemClock()
const logger = createLogger(logLevel, { thread: 'projector' })
const control = new Control(memory.control)
const store = SqliteBlockStore.open({ dir: folders.blocks(dataDir) })
const log = new EmbeddedLogReader({ folder: folders.samplesLog(dataDir), topic: SAMPLES_TOPIC, shared: logShared })
const projection = new SeriesProjection({
  memory,
  control,
  store,
  clock,
  logger,
  breathe: () => setImmediate(),
  rawRetentionMs: limits.rawRetentionMs,
})
const ending = new AbortController()

const ownership = allPartitions(memory.limits.partitions)
const running = runProjection({ log, ownership, projection, control, clock, logger }, ending.signal)

serveCalls(parentPort, {
  seal: () => projection.sealAll(),
  metadata: () => projection.metadata(),
  metrics: () => threadMetrics(),
  oldestUnsealed: () => projection.oldestUnsealed(),
  /** Writes the head to the store, so that the next start reads less; closes it. */
  stop: async () => {
    ending.abort()
    await running
    await log.close()
    await store.close()
  },
})
