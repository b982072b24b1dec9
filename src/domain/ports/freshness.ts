import type { Position } from '../position.ts'

/** How far the part of the read side that answers has come along the log. */
export interface Freshness {
  /**
   * What is applied now: an answer computed after this call holds at least that. `ageMs` is the age of the oldest record that was
   * durable and not yet applied; 0 when caught up.
   */
  pinned(): { position: Position; ageMs: number }
  /**
   * Waits until everything below the position is applied, or until the time is over. 'unknown': the position is none, or of another
   * generation. Rejects with the signal's reason when it aborts.
   */
  waitFor(position: Position, timeoutMs: number, signal: AbortSignal): Promise<'reached' | 'timeout' | 'unknown'>
}
