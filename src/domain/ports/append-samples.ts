import type { Labels } from '../labels.ts'
import type { Position } from '../position.ts'
import type { MetricMetadata } from './metadata-view.ts'

/** Samples in columns: `labels[i]` has one sample at `times[i]`; a series may stand in it many times. */
export interface SampleBatch {
  /** Equal label sets should be the very same object from batch to batch: that is looked up by reference first. */
  readonly labels: readonly Labels[]
  /** Milliseconds since the epoch. */
  readonly times: Float64Array
  /** Values as bits: staleness markers allowed. */
  readonly values: Float64Array
  readonly metadata?: readonly MetricMetadata[]
}

export type RejectReason =
  | 'too-old'
  | 'too-far-in-future'
  | 'no-labels'
  | 'no-metric-name'
  | 'invalid-label-name'
  | 'invalid-utf8'
  | 'duplicate-label'
  | 'unsorted-labels'
  | 'too-many-labels'
  | 'label-name-too-long'
  | 'label-value-too-long'
  | 'too-many-series'
  | 'unsupported-histogram'

export interface RejectedSeries {
  /** As Prometheus prints a series, cut at 1,000 characters. */
  readonly series: string
  readonly reason: RejectReason
  /** What was met and what was expected. */
  readonly message: string
  readonly samples: number
}

export interface WriteResult {
  readonly acceptedSamples: number
  readonly rejectedSamples: number
  /** At most 100 of them; `rejectedSamples` counts all. */
  readonly rejected: readonly RejectedSeries[]
  /** A query with this as `minPosition` sees what was accepted. */
  readonly position: Position
}

/** How anything but the remote-write hot path puts samples into the log. Resolves when they are durable. */
export interface AppendSamples {
  /** @throws EngineError when the log can't take them now. */
  appendSamples(batch: SampleBatch, sender: string): Promise<WriteResult>
}
