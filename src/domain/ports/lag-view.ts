import type { Offset } from '../position.ts'

/** One partition of a topic of the event log, and how far this process has come with it. */
export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  /** The oldest record held. */
  readonly startOffset: Offset
  /** The next record to be written (durable ones only). */
  readonly endOffset: Offset
  /** Everything below it has been applied. */
  readonly appliedOffset: Offset
  /** endOffset - appliedOffset. */
  readonly lagRecords: number
  /** endOffset - startOffset. */
  readonly depthRecords: number
  /** Bytes held, where the log can tell. */
  readonly bytes?: number
}

/** How much the event log holds, and how much of it waits to be applied. */
export interface LagView {
  /** In any order. */
  lags(): Promise<readonly PartitionLag[]>
}
