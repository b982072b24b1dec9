import { CorruptionError, EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog } from '../../domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../domain/position.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Control } from './control.ts'
import type { SeriesProjection } from './series-projection.ts'

export interface RunnerParts {
  readonly log: Pick<EventLog, 'read' | 'starts' | 'ends'>
  readonly projection: SeriesProjection
  readonly control: Control
  readonly clock: Clock
  readonly logger: Logger
}

const MAINTAIN_MS = 1000

/**
 * Tails the log into the projection until `signal` aborts. Says `ready` when it has applied what the log held at the start. Work that is
 * due by the clock goes on beside it.
 */
export async function runProjection(parts: RunnerParts, signal: AbortSignal): Promise<void> {
  const { log, projection, control, logger } = parts
  const from = await projection.load(await log.starts())
  const targets = await log.ends()
  const caughtUp = () => [...targets].every(([partition, end]) => control.applied(partition) >= end)
  control.ready = caughtUp()
  const maintaining = maintain(parts, signal)
  for (let next: PartitionOffsets | null = from; next !== null; ) {
    try {
      for await (const batch of log.read(next, signal)) {
        for (const gap of batch.gaps) projection.noteGap(gap.partition, gap.from, gap.to)
        for (const record of batch.records) await projection.apply(record)
        control.publishApplied()
        if (!control.ready && caughtUp()) control.ready = true
      }
      next = null
    } catch (error) {
      if (signal.aborted) break
      if (error instanceof EngineError && error.code === 'INDEX_FULL') {
        // What is in the log stays there: with more room, or when series have expired, the next start takes it.
        control.stalled = true
        logger.error({ error: error.message }, 'the index is full: reading the log stands still, writes are refused')
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        break
      }
      // Stored bytes that can't be read are lost, whatever we do: say so, as a gap, and go on behind them.
      if (!(error instanceof CorruptionError) || error.resumeAt === null) throw error
      logger.error({ error: error.message }, 'the log is damaged')
      const resumed = new Map([...targets.keys()].map((partition) => [partition, projection.applied(partition)]))
      for (const [partition, offset] of error.resumeAt) {
        const applied = projection.applied(partition)
        if (offset > applied) projection.noteGap(partition, applied, offset)
        resumed.set(partition, Math.max(applied, offset))
      }
      next = resumed
    }
  }
  await maintaining
}

async function maintain({ projection, clock }: RunnerParts, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(MAINTAIN_MS, signal)
      await projection.maintain()
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
