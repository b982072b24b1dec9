import type { Clock } from '../domain/ports/clock.ts'
import type { Offset, PartitionOffsets } from '../domain/position.ts'
import { MINUTE_MS, type TimestampMs } from '../domain/time.ts'
import type { EmbeddedLogWriter } from '../engines/embedded/log/log-writer.ts'
import type { Logger } from '../telemetry/log.ts'
import type { ServiceThread } from './service-thread.ts'
import type { GuardedLog } from './storage.ts'

export interface LogRetentionParts {
  readonly log: Pick<EmbeddedLogWriter, 'stats' | 'trim' | 'ends'>
  readonly guard: Pick<GuardedLog, 'full'> & { full: boolean }
  readonly projector: Pick<ServiceThread, 'call'>
  readonly clock: Clock
  readonly logger: Logger
  readonly retentionMs: number
  readonly bytesMax: number
}

const LOOK_MS = 10_000
/** From here on blocks are sealed early, so that the log can let go. */
const PRESSED_AT = 0.8

/**
 * Lets the log go of what is older than its retention, or over its cap, but never of what sealed blocks do not hold. At the cap: seal,
 * then refuse writes, never trim.
 */
export class LogRetention {
  readonly #parts: LogRetentionParts
  /** Where the log ended at some times of the past, oldest first. */
  readonly #marks: { readonly at: TimestampMs; readonly ends: PartitionOffsets }[] = []

  constructor(parts: LogRetentionParts) {
    this.#parts = parts
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts
    while (!signal.aborted) {
      await clock.sleep(LOOK_MS, signal).catch(() => {})
      if (signal.aborted) return
      try {
        await this.lookOnce()
      } catch (error) {
        logger.error({ error: (error as Error).message }, 'the event log could not be trimmed; it is tried again')
      }
    }
  }

  async lookOnce(): Promise<void> {
    const { log, guard, projector, clock, retentionMs, bytesMax } = this.#parts
    const nowMs = clock.nowMs()
    const newest = this.#marks.at(-1)
    if (newest === undefined || nowMs - newest.at >= MINUTE_MS) this.#marks.push({ at: nowMs, ends: await log.ends() })
    let before: PartitionOffsets | null = null
    while (this.#marks.length > 0 && nowMs - this.#marks[0].at > retentionMs) before = this.#marks.shift()!.ends
    const pressed = log.stats().bytes >= PRESSED_AT * bytesMax
    if (pressed) await projector.call('seal')
    if (before !== null || pressed) await log.trim(await this.#notBeyondSealed(pressed ? await log.ends() : before!))
    guard.full = log.stats().bytes >= bytesMax
  }

  async #notBeyondSealed(wanted: PartitionOffsets): Promise<PartitionOffsets> {
    const sealed = await this.#parts.projector.call<Map<number, Offset>>('oldestUnsealed')
    return new Map([...wanted].map(([partition, offset]) => [partition, Math.min(offset, sealed.get(partition) ?? 0)]))
  }
}
