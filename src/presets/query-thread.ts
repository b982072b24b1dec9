import type { MessagePort } from 'node:worker_threads'
import type { Config } from '../config.ts'
import type { BlockStore } from '../domain/ports/block-store.ts'
import type { Clock } from '../domain/ports/clock.ts'
import { Control } from '../projections/series/control.ts'
import { HeadReader } from '../projections/series/head.ts'
import type { HeadMemory } from '../projections/series/head-memory.ts'
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
import { HeadFreshness } from './freshness.ts'

export interface QueryThreadParts {
  readonly memory: HeadMemory
  readonly store: BlockStore
  readonly clock: Clock
  readonly limits: Config['limits']
  /** Of the log. */
  readonly generation: number
  /** The thread's own place among the readers of the head. */
  readonly reader: number
  readonly pageCacheBytes: number
}

/**
 * A query thread: answers what comes in on its port, from a head that another thread writes and the blocks of a store.
 * @returns the reader, to be kept ahead where the store may go away
 */
export function serveQueryThread(port: MessagePort, parts: QueryThreadParts): RawReader {
  const { memory, store, clock, limits, generation } = parts
  const control = new Control(memory.control)
  const index = new SeriesIndex(memory, control)
  const matcher = new SeriesMatcher(index, { compile: compileMatcher, literals: literalAlternatives })
  const reader = new RawReader({
    control,
    index,
    head: new HeadReader(memory),
    matcher,
    pages: new PageCache(store, index, parts.pageCacheBytes),
    store,
    clock,
    version: SERIES_VERSION,
    retentionMs: limits.rawRetentionMs,
    pin: new ReaderPin(control, parts.reader),
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
  serveQueries(port, engine)
  return reader
}
