/** What senders said of a metric (TYPE, HELP, UNIT). */
export interface MetricMetadata {
  readonly metric: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'gaugehistogram' | 'summary' | 'info' | 'stateset' | 'unknown'
  readonly help: string
  readonly unit: string
}

/** Metadata by metric name, newest declaration. */
export interface MetadataView {
  metadata(metric?: string): Promise<readonly MetricMetadata[]>
}
