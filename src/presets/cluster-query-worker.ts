import { parentPort, workerData } from 'node:worker_threads'
import { CassandraBlockStore } from '../engines/cassandra/cassandra-block-store.ts'
import { SystemClock } from '../engines/system-clock.ts'
import { invariant } from '../stdx/invariant.ts'
import { createLogger } from '../telemetry/log.ts'
import type { ClusterThreadData } from './cluster-threads.ts'
import { serveQueryThread } from './query-thread.ts'

/** Pages come over the network: more of them are kept than where they lie on this machine's disk. */
const PAGE_CACHE_BYTES = 256 * 2 ** 20

/** As often as the head looks at the projectors' checkpoints. */
const REFRESH_MS = 1000

/** A query thread of a cluster's process. */
invariant(parentPort !== null, 'a query thread is started as a worker')
const { memory, engines, limits, logLevel, generation, reader } = workerData as ClusterThreadData // as cluster.ts starts it
const clock = new SystemClock()
const logger = createLogger(logLevel, { thread: `query-${reader}` })
const store = await CassandraBlockStore.open({ settings: engines.cassandra, rawRetentionMs: limits.rawRetentionMs, clock, logger })
const raw = serveQueryThread(parentPort, { memory, store, clock, limits, generation, reader, pageCacheBytes: PAGE_CACHE_BYTES })
// A store that is away must not keep queries from what the head holds: what they need of it beside pages is here by then.
for (;;) {
  await raw.refresh().catch((error: unknown) => logger.debug({ error: String(error) }, 'the catalogues could not be read ahead'))
  await clock.sleep(REFRESH_MS)
}
