import type { Config } from '../config.ts'
import { EngineError } from '../domain/errors.ts'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { EventLog, RecordToAppend } from '../domain/ports/event-log.ts'
import type { Offset, PartitionOffsets } from '../domain/position.ts'
import { EmbeddedLogWriter } from '../engines/embedded/log/log-writer.ts'
import { Control } from '../projections/series/control.ts'
import { allocateHeadMemory } from '../projections/series/head-memory.ts'
import { QueryPool } from '../query/query-pool.ts'
import type { Logger } from '../telemetry/log.ts'
import { HeadFreshness } from './freshness.ts'
import { headLimits } from './head-limits.ts'
import { ServiceThread } from './service-thread.ts'
import { folders, type ThreadData, workerFile } from './threads.ts'

/** The log, the shared head, and the threads that work on them. */
export interface Storage {
  readonly log: EmbeddedLogWriter
  readonly control: Control
  readonly freshness: HeadFreshness
  readonly projector: ServiceThread
  /** What the query threads are started with as well. */
  readonly threadData: ThreadData
}

/** Of a new data folder. */
const PARTITIONS = 4

/** Opens the log and starts the projector on it. */
export async function openStorage(config: Config, clock: Clock, logger: Logger, onFailure: (error: Error) => void): Promise<Storage> {
  const { limits, dataDir, logLevel, queryWorkers } = config
  const partitions = config.partitions ?? PARTITIONS
  const log = await EmbeddedLogWriter.open({
    folder: folders.samplesLog(dataDir),
    topic: SAMPLES_TOPIC,
    partitionCount: partitions,
    clock,
    bytesInFlightMax: limits.appendBytesInFlightMax,
  })
  for (const finding of log.findings) logger.error({ finding }, 'the event log was not whole')
  const memory = allocateHeadMemory(
    headLimits({ partitions, readers: queryWorkers, headBytesMax: limits.headBytesMax, indexSeriesMax: limits.indexSeriesMax }),
  )
  const control = new Control(memory.control)
  const threadData: ThreadData = { memory, dataDir, logShared: log.shared, limits, logLevel, reader: -1 }
  const projector = new ServiceThread('projector-worker', threadData, onFailure)
  const freshness = new HeadFreshness(control, clock, partitions, log.generation)
  return { log, control, freshness, projector, threadData }
}

/** Starts the threads that answer queries. */
export function startQueries(config: Config, storage: Storage, clock: Clock, logger: Logger): QueryPool {
  const { limits, queryWorkers } = config
  return new QueryPool({
    entry: workerFile('query-worker'),
    workers: queryWorkers,
    start: (reader) => ({ workerData: { ...storage.threadData, reader } }),
    clock,
    logger,
    freshness: storage.freshness,
    timeoutMs: limits.queryTimeoutMs,
  })
}

/** From here on no write is taken, so that what is on its way still fits. */
const INDEX_FULL_AT = 0.9

/** The log as ingest sees it: what is durable is known to the readers' side, and at its cap it takes no more. */
export class GuardedLog implements Pick<EventLog, 'append' | 'partitionCount' | 'generation'> {
  readonly partitionCount: number
  readonly generation: number
  readonly #log: EmbeddedLogWriter
  readonly #control: Control
  readonly #clock: Clock
  /** Set while the log holds all that it may and nothing of it can go. */
  full = false

  constructor(storage: Storage, clock: Clock) {
    this.partitionCount = storage.log.partitionCount
    this.generation = storage.log.generation
    this.#log = storage.log
    this.#control = storage.control
    this.#clock = clock
  }

  async append(records: readonly RecordToAppend[]): Promise<PartitionOffsets> {
    if (this.full) {
      throw new EngineError(
        'LOG_FULL',
        'the event log has reached its cap and the projector is behind: nothing is taken until blocks are sealed',
        {
          retryable: true,
        },
      )
    }
    if (this.#control.indexFullness >= INDEX_FULL_AT) {
      throw new EngineError('INDEX_FULL', 'the index of series is nearly full: nothing is taken until series expire', { retryable: true })
    }
    if (this.#control.stalled) {
      throw new EngineError('HEAD_FULL', 'the head is full and can not be written to the store: nothing is taken until that is over', {
        retryable: true,
      })
    }
    const next = await this.#log.append(records)
    const nowMs = this.#clock.nowMs()
    for (const [partition, offset] of next) this.#control.setDurable(partition, offset as Offset, nowMs)
    return next
  }
}
