import { Labels } from '../../domain/labels.ts'
import type { RejectedSeries as Rejected, SampleBatch } from '../../domain/ports/append-samples.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { IdempotencyKeys } from '../../ingest/idempotency-keys.ts'
import type { GraphqlDeps } from '../deps.ts'
import { refusal } from '../errors.ts'
import { graphqlLimits } from '../limits.ts'
import type {
  LabelInput,
  MetricType,
  MutationResolvers,
  PushSamplesInput,
  PushSamplesPayload,
  RejectedSeries,
  RejectReason,
} from '../schema.generated.ts'

const reasons: Record<Rejected['reason'], RejectReason> = {
  'too-old': 'TOO_OLD',
  'too-far-in-future': 'TOO_FAR_IN_FUTURE',
  'no-labels': 'NO_LABELS',
  'no-metric-name': 'NO_METRIC_NAME',
  'invalid-label-name': 'INVALID_LABEL_NAME',
  'invalid-utf8': 'INVALID_UTF8',
  'duplicate-label': 'DUPLICATE_LABEL',
  'unsorted-labels': 'UNSORTED_LABELS',
  'too-many-labels': 'TOO_MANY_LABELS',
  'label-name-too-long': 'LABEL_NAME_TOO_LONG',
  'label-value-too-long': 'LABEL_VALUE_TOO_LONG',
  'too-many-series': 'TOO_MANY_SERIES',
  'unsupported-histogram': 'UNSUPPORTED_HISTOGRAM',
}

const metadataTypes: Record<MetricType, MetricMetadata['type']> = {
  COUNTER: 'counter',
  GAUGE: 'gauge',
  HISTOGRAM: 'histogram',
  GAUGE_HISTOGRAM: 'gaugehistogram',
  SUMMARY: 'summary',
  INFO: 'info',
  STATE_SET: 'stateset',
  UNKNOWN: 'unknown',
}

export function pushSamples(
  { append }: Pick<GraphqlDeps, 'append'>,
  keys: IdempotencyKeys<PushSamplesPayload>,
): MutationResolvers['pushSamples'] {
  return (_, { input }, { sender }) => {
    const { batch, rejected } = readInput(input)
    const write = async (): Promise<PushSamplesPayload> => {
      const result = await append.appendSamples(batch, sender)
      return {
        position: result.position,
        accepted: result.acceptedSamples,
        refused: result.rejectedSamples + rejected.reduce((sum, { samples }) => sum + samples, 0),
        rejected: [...rejected, ...result.rejected.map((one) => ({ ...one, reason: reasons[one.reason] }))].slice(0, 100),
      }
    }
    if (input.idempotencyKey == null) return write()
    const { idempotencyKeyLengthMax: lengthMax } = graphqlLimits
    if (input.idempotencyKey.length === 0 || input.idempotencyKey.length > lengthMax) {
      throw refusal('BAD_USER_INPUT', `\`idempotencyKey\` has ${input.idempotencyKey.length} characters, expected 1 to ${lengthMax}`)
    }
    return keys.once(JSON.stringify([sender, input.idempotencyKey]), write)
  }
}

/** A label that stands twice is told here: a label set of the domain can't even hold it. */
function readInput(input: PushSamplesInput): { batch: SampleBatch; rejected: RejectedSeries[] } {
  const sampleCount = input.series.reduce((sum, { samples }) => sum + samples.length, 0)
  const { pushSeriesMax, pushSamplesMax } = graphqlLimits
  if (input.series.length > pushSeriesMax || sampleCount > pushSamplesMax) {
    const met = `${input.series.length} series and ${sampleCount} samples`
    throw refusal('BAD_USER_INPUT', `the input has ${met}, expected ${pushSeriesMax} and ${pushSamplesMax} at most`)
  }
  const rejected: RejectedSeries[] = []
  const labels: Labels[] = []
  const times = new Float64Array(sampleCount)
  const values = new Float64Array(sampleCount)
  for (const series of input.series) {
    const own = Labels.fromEntries(series.labels.map(({ name, value }) => [name, value]))
    const repeated = repeatedName(series.labels)
    if (repeated !== null) {
      const message = `label ${JSON.stringify(repeated)} stands twice, expected each name once`
      const text = own.toString().slice(0, 1000)
      rejected.push({ series: text, reason: 'DUPLICATE_LABEL', message, samples: series.samples.length })
      continue
    }
    for (const { timestamp, value } of series.samples) {
      times[labels.length] = timestamp
      values[labels.length] = value
      labels.push(own)
    }
  }
  const batch = {
    labels,
    times: times.subarray(0, labels.length),
    values: values.subarray(0, labels.length),
    metadata: readMetadata(input),
  }
  return { batch, rejected }
}

function readMetadata({ metadata }: PushSamplesInput): MetricMetadata[] {
  return (metadata ?? []).map((one) => ({
    metric: one.metric,
    type: metadataTypes[one.type ?? 'UNKNOWN'],
    help: one.help ?? '',
    unit: one.unit ?? '',
  }))
}

function repeatedName(labels: readonly LabelInput[]): string | null {
  const names = new Set<string>()
  for (const { name } of labels) {
    if (names.has(name)) return name
    names.add(name)
  }
  return null
}
