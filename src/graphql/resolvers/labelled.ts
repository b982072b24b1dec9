import type { Labels } from '../../domain/labels.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { OperationContext } from '../context.ts'
import type { LabelledModel, MetricModel } from '../models.ts'
import type { Label, MetricType } from '../schema.generated.ts'

const metricTypes: Record<MetricMetadata['type'], MetricType> = {
  counter: 'COUNTER',
  gauge: 'GAUGE',
  histogram: 'HISTOGRAM',
  gaugehistogram: 'GAUGE_HISTOGRAM',
  summary: 'SUMMARY',
  info: 'INFO',
  stateset: 'STATE_SET',
  unknown: 'UNKNOWN',
}

/** What every series has, whatever it stands in. */
export const labelled = {
  metric: ({ labels }: LabelledModel): MetricModel | null => (labels.metric === '' ? null : { name: labels.metric }),
  labels: ({ labels }: LabelledModel): Label[] => labelList(labels),
  label: ({ labels }: LabelledModel, { name }: { name: string }): string => labels.get(name),
  text: ({ labels }: LabelledModel): string => labels.toString(),
}

export const metricFields = {
  type: async ({ name }: MetricModel, _: unknown, context: OperationContext): Promise<MetricType> =>
    metricTypes[(await metadataOf(name, context))?.type ?? 'unknown'],
  help: async ({ name }: MetricModel, _: unknown, context: OperationContext): Promise<string> =>
    (await metadataOf(name, context))?.help ?? '',
  unit: async ({ name }: MetricModel, _: unknown, context: OperationContext): Promise<string> =>
    (await metadataOf(name, context))?.unit ?? '',
}

export function labelList(labels: Labels): Label[] {
  const list: Label[] = []
  for (let i = 0; i < labels.pairs.length; i += 2) list.push({ name: labels.pairs[i] as string, value: labels.pairs[i + 1] as string })
  return list
}

/** The series of a histogram or summary carry suffixes; what its senders say stands under the name without. */
async function metadataOf(name: string, context: OperationContext): Promise<MetricMetadata | null> {
  const own = await context.metadata.load(name)
  const family = /^(.+)_(bucket|sum|count|total|created|info)$/.exec(name)?.[1]
  return own ?? (family === undefined ? null : context.metadata.load(family))
}
