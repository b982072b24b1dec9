import { parentPort, workerData } from 'node:worker_threads'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import { EmbeddedLogReader } from '../engines/embedded/log/log-reader.ts'
import { SqliteBlockStore } from '../engines/embedded/store/sqlite-block-store.ts'
import { SystemClock } from '../engines/system-clock.ts'
import { Control } from '../projections/series/control.ts'
import { HeadReader } from '../projections/series/head.ts'
import { IndexLabelReader } from '../projections/series/label-reader.ts'
import { SeriesMatcher } from '../projections/series/match.ts'
import { PageCache } from '../projections/series/page-cache.ts'
import { RawReader } from '../projections/series/raw-reader.ts'
import { ReaderPin } from '../projections/series/reader-pin.ts'
import { SERIES_VERSION } from '../projections/series/series-fold.ts'
import { SeriesIndex } from '../projections/series/series-index.ts'
import { compileMatcher, literalAlternatives } from '../promql/matching.ts'
import { QueryEngine } from '../query/query-engine.ts'
import { serveQueries } from '../query/query-worker.ts'
import { invariant } from '../stdx/invariant.ts'
import { HeadFreshness } from './freshness.ts'
import { folders, type ThreadData } from './threads.ts'

const PAGE_CACHE_BYTES = 64 * 2 ** 20

/** A query thread: reads what the projector writes. */
invariant(parentPort !== null, 'a query thread is started as a worker')
const { memory, dataDir, logShared, limits, reader: slot } = workerData as ThreadData // as embedded.ts starts it
const clock = new SystemClock()
const control = new Control(memory.control)
const store = SqliteBlockStore.open({ dir: folders.blocks(dataDir), readOnly: true })
const { generation } = new EmbeddedLogReader({ folder: folders.samplesLog(dataDir), topic: SAMPLES_TOPIC, shared: logShared })
const index = new SeriesIndex(memory, control)
const matcher = new SeriesMatcher(index, { compile: compileMatcher, literals: literalAlternatives })
const reader = new RawReader({
  control,
  index,
  head: new HeadReader(memory),
  matcher,
  pages: new PageCache(store, index, PAGE_CACHE_BYTES),
  store,
  clock,
  version: SERIES_VERSION,
  retentionMs: limits.rawRetentionMs,
  pin: new ReaderPin(control, slot),
  partitions: memory.limits.partitions,
})
const engine = new QueryEngine({
  reader,
  labels: new IndexLabelReader(index, matcher, clock, limits.rawRetentionMs),
  freshness: new HeadFreshness(control, clock, memory.limits.partitions, generation),
  clock,
  limits: {
    timeoutMs: limits.queryTimeoutMs,
    samplesMax: limits.querySamplesMax,
    seriesMax: limits.querySeriesMax,
    pointsPerSeriesMax: limits.queryPointsPerSeriesMax,
    lookbackMs: limits.lookbackMs,
    positionWaitMsMax: limits.minPositionWaitMsMax,
  },
})
serveQueries(parentPort, engine)
