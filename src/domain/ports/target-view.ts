import type { Labels } from '../labels.ts'
import type { TimestampMs } from '../time.ts'

/** One target of collection, as Prometheus' /api/v1/targets tells it. */
export interface TargetStatus {
  readonly scrapePool: string
  readonly scrapeUrl: string
  /** Before relabelling. */
  readonly discoveredLabels: Labels
  /** As its series carry them. */
  readonly labels: Labels
  readonly health: 'up' | 'down' | 'unknown'
  /** '' when the last scrape went well. */
  readonly lastError: string
  readonly lastScrapeMs: TimestampMs | null
  readonly lastScrapeDurationSeconds: number
  readonly scrapeIntervalMs: number
  readonly scrapeTimeoutMs: number
}

/** What is collected from, and how it goes. */
export interface TargetView {
  targets(): readonly TargetStatus[]
  /** Labels, before relabelling, of targets that relabelling dropped. */
  dropped(): readonly Labels[]
}
