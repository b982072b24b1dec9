/** The JSON form of a push, for people and scripts: docs/formats/json-push.md. */
import { z } from 'zod'
import { METADATA_TYPES } from '../domain/events/samples-record.ts'
import { Labels } from '../domain/labels.ts'
import type { SampleBatch } from '../domain/ports/append-samples.ts'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import type { TimestampMs } from '../domain/time.ts'
import { BadRequestError } from './errors.ts'

const isoTime = z.iso.datetime({ offset: true })
const push = z.strictObject({
  idempotencyKey: z.string().min(1).max(200).optional(),
  series: z.array(
    z.strictObject({
      labels: z.record(z.string(), z.string()),
      // The samples themselves are checked by hand below: there may be millions of them.
      samples: z.custom<readonly unknown[]>(Array.isArray, 'expected an array of samples'),
    }),
  ),
  metadata: z
    .array(
      z.strictObject({
        metric: z.string().min(1),
        // The list is not empty, which its type does not say.
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
    const issue = parsed.error.issues[0]
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
  for (let i = 0; i < series.length; i++) {
    const { labels: given, samples } = series[i]
    const of = Labels.fromObject(given)
    for (let j = 0; j < samples.length; j++) {
      const sample = samples[j]
      const refuse = (index: string, expected: string): never => {
        throw new BadRequestError(`series[${i}].samples[${j}]${index}: expected ${expected}`)
      }
      if (!Array.isArray(sample) || sample.length < 1 || sample.length > 2) return refuse('', '[time, value] or [value]')
      const [time, value] = sample.length === 1 ? [null, sample[0]] : sample
      labels[at] = of
      times[at] = timeOf(time, nowMs) ?? refuse('[0]', 'whole milliseconds since the epoch, an ISO 8601 time with its zone, or null')
      values[at] = numberOf(value) ?? refuse(`[${sample.length - 1}]`, 'a number, "NaN", "+Inf" or "-Inf"')
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

function timeOf(time: unknown, nowMs: TimestampMs): TimestampMs | null {
  if (time === null) return nowMs
  if (typeof time === 'number') return Number.isSafeInteger(time) ? time : null
  return isoTime.safeParse(time).success ? Date.parse(String(time)) : null
}

function numberOf(value: unknown): number | null {
  switch (value) {
    case 'NaN':
      return Number.NaN
    case '+Inf':
    case 'Inf':
      return Number.POSITIVE_INFINITY
    case '-Inf':
      return Number.NEGATIVE_INFINITY
    default:
      return typeof value === 'number' ? value : null
  }
}

function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'body'
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '')
}
