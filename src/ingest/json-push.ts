/** The JSON form of a push, for people and scripts; docs/formats/json-push.md. */
import { z } from 'zod'
import { METADATA_TYPES } from '../domain/events/samples-record.ts'
import { Labels } from '../domain/labels.ts'
import type { SampleBatch } from '../domain/ports/append-samples.ts'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import type { TimestampMs } from '../domain/time.ts'
import { BadRequestError } from './errors.ts'

const value = z.union(
  [z.number(), z.literal('NaN'), z.literal('+Inf'), z.literal('Inf'), z.literal('-Inf')],
  'expected a number, "NaN", "+Inf" or "-Inf"',
)
const time = z.union(
  [
    z.number().int('expected whole milliseconds since the epoch'),
    z.iso.datetime({ offset: true, error: 'expected an ISO 8601 time with its zone' }),
    z.null(),
  ],
  'expected whole milliseconds since the epoch, an ISO 8601 time with its zone, or null for now',
)
const sample = z.union([z.tuple([time, value]), z.tuple([value])], 'expected [time, value] or [value]')
const push = z.strictObject({
  idempotencyKey: z.string().min(1).max(200).optional(),
  series: z.array(z.strictObject({ labels: z.record(z.string(), z.string()), samples: z.array(sample) })),
  metadata: z
    .array(
      z.strictObject({
        metric: z.string().min(1),
        type: z.enum(METADATA_TYPES as [MetricMetadata['type'], ...MetricMetadata['type'][]]).default('unknown'),
        help: z.string().default(''),
        unit: z.string().default(''),
      }),
    )
    .optional(),
})

export interface JsonPush {
  readonly batch: SampleBatch
  readonly idempotencyKey?: string
}

/**
 * `body` is the JSON text's bytes or an already parsed value; a sample without time gets `nowMs`.
 * @throws BadRequestError naming the path
 */
export function readJsonPush(body: unknown, nowMs: TimestampMs, limits: { readonly seriesPerRequestMax: number }): JsonPush {
  const parsed = push.safeParse(body instanceof Uint8Array ? parseJson(body) : body)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw new BadRequestError(`${pathText(issue.path)}: ${issue.message}`)
  }
  const { series, metadata, idempotencyKey } = parsed.data
  if (series.length > limits.seriesPerRequestMax) {
    throw new BadRequestError(`series: ${series.length} of them, at most ${limits.seriesPerRequestMax} are allowed`, 'too-large')
  }
  const count = series.reduce((sum, { samples }) => sum + samples.length, 0)
  const labels: Labels[] = new Array(count)
  const times = new Float64Array(count)
  const values = new Float64Array(count)
  let at = 0
  for (const one of series) {
    const of = Labels.fromObject(one.labels)
    for (const parts of one.samples) {
      labels[at] = of
      times[at] = parts.length === 1 ? nowMs : timeOf(parts[0], nowMs)
      values[at] = numberOf(parts.length === 1 ? parts[0] : parts[1])
      at += 1
    }
  }
  return { batch: { labels, times, values, ...(metadata && { metadata }) }, ...(idempotencyKey !== undefined && { idempotencyKey }) }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new BadRequestError(`body is not JSON: ${(cause as Error).message}`, 'malformed', { cause })
  }
}

function timeOf(time: number | string | null, nowMs: TimestampMs): TimestampMs {
  if (time === null) return nowMs
  return typeof time === 'number' ? time : Date.parse(time)
}

function numberOf(value: number | string): number {
  if (typeof value === 'number') return value
  if (value === 'NaN') return Number.NaN
  return value === '-Inf' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
}

function pathText(path: readonly PropertyKey[]): string {
  return path.length === 0
    ? 'body'
    : path
        .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
        .join('')
        .replace(/^\./, '')
}
