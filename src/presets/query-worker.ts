import { parentPort, workerData } from 'node:worker_threads'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import { EmbeddedLogReader } from '../engines/embedded/log/log-reader.ts'
import { SqliteBlockStore } from '../engines/embedded/store/sqlite-block-store.ts'
import { SystemClock } from '../engines/system-clock.ts'
import { invariant } from '../stdx/invariant.ts'
import { serveQueryThread } from './query-thread.ts'
import { folders, type ThreadData } from './threads.ts'

const PAGE_CACHE_BYTES = 64 * 2 ** 20

/** A query thread: reads what the projector writes. */
invariant(parentPort !== null, 'a query thread is started as a worker')
const { memory, dataDir, logShared, limits, reader } = workerData as ThreadData // as embedded.ts starts it
const { generation } = new EmbeddedLogReader({ folder: folders.samplesLog(dataDir), topic: SAMPLES_TOPIC, shared: logShared })
serveQueryThread(parentPort, {
  memory,
  store: SqliteBlockStore.open({ dir: folders.blocks(dataDir), readOnly: true }),
  clock: new SystemClock(),
  limits,
  generation,
  reader,
  pageCacheBytes: PAGE_CACHE_BYTES,
})
