import type { RejectedSeries, RejectReason } from '../domain/ports/append-samples.ts'

const NAMED_MAX = 100
const SERIES_TEXT_MAX = 1000

/** Counts what one request brought: what was taken, and what was not and why. */
export class WriteTally {
  readonly sender: string
  accepted = 0
  rejectedSamples = 0
  series = 0
  readonly rejected: RejectedSeries[] = []
  readonly byReason = new Map<RejectReason, number>()

  constructor(sender: string) {
    this.sender = sender
  }

  /** Begins anew. */
  clear(): void {
    this.accepted = 0
    this.rejectedSamples = 0
    this.series = 0
    this.rejected.length = 0
    this.byReason.clear()
  }

  /** `series` is only asked when it will be shown. */
  reject(series: () => string, reason: RejectReason, message: string, samples: number): void {
    this.rejectedSamples += samples
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + samples)
    if (this.rejected.length < NAMED_MAX) this.rejected.push({ series: series().slice(0, SERIES_TEXT_MAX), reason, message, samples })
  }
}
