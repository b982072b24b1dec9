import { EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { Logger } from '../../telemetry/log.ts'

const RETRY_MS_MIN = 100
const RETRY_MS_MAX = 5000

/** Tries again while the outside world fails in ways that may pass, until it does not, or `signal` aborts (null). */
export async function persist<T>(
  doing: string,
  work: () => Promise<T>,
  { clock, logger, signal }: { clock: Clock; logger: Logger; signal: AbortSignal },
): Promise<T | null> {
  for (let waitMs = RETRY_MS_MIN; !signal.aborted; waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof EngineError) || !error.retryable) throw error
      logger.warn({ error: error.message }, `${doing} failed; it is tried again`)
      await clock.sleep(waitMs, signal).catch(() => {})
    }
  }
  return null
}
