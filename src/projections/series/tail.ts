import { CorruptionError, EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog } from '../../domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../domain/position.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Control } from './control.ts'
import type { SeriesFold } from './series-fold.ts'

export interface TailParts {
  readonly log: Pick<EventLog, 'read'>
  readonly fold: SeriesFold
  readonly control: Control
  readonly clock: Clock
  readonly logger: Logger
  /** Called when something more was applied. */
  readonly onApplied: () => void
}

/** Folds the log, each partition that was begun from where it stands, until `signal` aborts. */
export async function tailLog({ log, fold, control, clock, logger, onApplied }: TailParts, signal: AbortSignal): Promise<void> {
  for (let next: PartitionOffsets | null = fold.positions(); next !== null; ) {
    try {
      for await (const batch of log.read(next, signal)) {
        const nowMs = clock.nowMs()
        for (const [partition, end] of batch.ends ?? []) control.setDurable(partition, end, nowMs)
        for (const gap of batch.gaps) fold.noteGap(gap.partition, gap.from, gap.to)
        for (const record of batch.records) {
          await fold.apply(record)
          // What was taken off this process in the middle of a batch is for others.
          if (signal.aborted) break
        }
        control.publishApplied()
        onApplied()
      }
      next = null
    } catch (error) {
      if (signal.aborted) return
      if (error instanceof EngineError && error.code === 'INDEX_FULL') {
        // What is in the log stays there: with more room, or when series have expired, the next start takes it.
        control.stalled = true
        logger.error(
          { error: error.message },
          'the index is full: reading the log stands still until the next start with more room (limits.series)',
        )
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        return
      }
      // Stored bytes that can't be read are lost, whatever we do: say so, as a gap, and go on behind them.
      if (!(error instanceof CorruptionError) || error.resumeAt === null) throw error
      logger.error({ error: error.message }, 'the log is damaged')
      for (const [partition, offset] of error.resumeAt) {
        const applied = fold.positions().get(partition)
        if (applied !== undefined && offset > applied) fold.noteGap(partition, applied, offset)
      }
      next = fold.positions()
    }
  }
}
