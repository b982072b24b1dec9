import type { MembershipEvent } from '../../domain/events/membership-events.ts'
import type { TimestampMs } from '../../domain/time.ts'

interface Member {
  /** On the view's own time. */
  seenMs: number
  /** By the log's clock. */
  appendedMs: TimestampMs
}

/**
 * Who is alive, as one member sees it. Pure: times are handed in, `nowMs` from a monotonic clock.
 *
 * Silence is measured on a time of its own, which runs with the clock but stands still when this member's own signs of life stop coming
 * back: then it is the log that is silent, not the others.
 */
export class MembersView {
  readonly #own: string
  readonly #deadAfterMs: number
  /** From one sign of the own to the next; beyond it the view's time stands still. */
  readonly #stepMaxMs: number
  readonly #members = new Map<string, Member>()
  #timeMs = 0
  #ownSeenMs: number | null = null
  /** The view is not known before the own sign with a number above this one is back. */
  #doubtedBelow: number | null = 0

  constructor(own: string, heartbeatMs: number, deadAfterMs: number) {
    this.#own = own
    this.#deadAfterMs = deadAfterMs
    this.#stepMaxMs = heartbeatMs * 1.5
  }

  /** The process did not run for long; `sequence` is the number of the last sign that it gave before it noticed. */
  doubt(sequence: number): void {
    this.#doubtedBelow = sequence
  }

  apply({ type, name, sequence }: MembershipEvent, appendedMs: TimestampMs, nowMs: number): void {
    if (name === this.#own) {
      if (type === 'CollectorSeen') this.#ownSign(sequence, appendedMs, nowMs)
    } else if (type === 'CollectorLeft') {
      this.#members.delete(name)
    } else {
      this.#members.set(name, { seenMs: this.#time(nowMs), appendedMs })
    }
  }

  /** @returns sorted names, the own among them; an empty list while it is in doubt; null before it first knows */
  members(nowMs: number): readonly string[] | null {
    if (this.#ownSeenMs === null) return null
    if (this.#doubtedBelow !== null) return []
    const time = this.#time(nowMs)
    for (const [name, { seenMs }] of this.#members) if (time - seenMs >= this.#deadAfterMs) this.#members.delete(name)
    return [...this.#members.keys(), this.#own].sort()
  }

  #ownSign(sequence: number, appendedMs: TimestampMs, nowMs: number): void {
    if (this.#doubtedBelow !== null) {
      if (sequence <= this.#doubtedBelow) return
      // Everything before the sign has been read, late: the log's clock says how long ago each of the others was heard.
      this.#timeMs = this.#time(nowMs)
      for (const member of this.#members.values()) member.seenMs = this.#timeMs - Math.max(appendedMs - member.appendedMs, 0)
      this.#doubtedBelow = null
    } else {
      const stoodStill = this.#ownSeenMs !== null && nowMs - this.#ownSeenMs > this.#stepMaxMs
      this.#timeMs = this.#time(nowMs)
      // The log is back; the others get their time to say so.
      if (stoodStill) for (const member of this.#members.values()) member.seenMs = this.#timeMs
    }
    this.#ownSeenMs = nowMs
  }

  #time(nowMs: number): number {
    return this.#ownSeenMs === null ? this.#timeMs : this.#timeMs + Math.min(nowMs - this.#ownSeenMs, this.#stepMaxMs)
  }
}
