import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'

/** `MetricMetadata.MetricType` of remote write 1.0. */
export const METADATA_TYPE_NUMBERS: Readonly<Record<MetricMetadata['type'], number>> = {
  unknown: 0,
  counter: 1,
  gauge: 2,
  histogram: 3,
  gaugehistogram: 4,
  summary: 5,
  info: 6,
  stateset: 7,
}
