import type { RejectReason } from '../domain/ports/append-samples.ts'
import type { TimestampMs } from '../domain/time.ts'

/** Which times a sample may have, as of one moment; both bounds are allowed. */
export class TimeBounds {
  readonly oldestMs: TimestampMs
  readonly newestMs: TimestampMs

  constructor(nowMs: TimestampMs, limits: { readonly rawRetentionMs: number; readonly futureMsMax: number }) {
    this.oldestMs = nowMs - limits.rawRetentionMs
    this.newestMs = nowMs + limits.futureMsMax
  }

  /** @returns null if the time is allowed */
  reasonAgainst(time: TimestampMs): RejectReason | null {
    if (time > this.newestMs) return 'too-far-in-future'
    return time >= this.oldestMs ? null : 'too-old'
  }

  message(reason: RejectReason): string {
    return reason === 'too-old'
      ? `older than ${iso(this.oldestMs)}, the beginning of raw retention`
      : `later than ${iso(this.newestMs)}, too far ahead of this server's clock`
  }
}

function iso(time: TimestampMs): string {
  return Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : String(time)
}
