// What crosses between the main thread and a query worker. Labels travel as arrays of pairs; the values of a range answer as one array for
// all series and one of presence, whose memory moves instead of being copied. Raw samples of an instant matrix are copied: their memory may
// belong to a cache or to the head.

import { Labels } from '../domain/labels.ts'
import type { InstantResult, RangeResult } from '../promql/result.ts'
import type { Answer, InstantQuery, PrometheusFormat, QueryErrorCode, RangeQuery, SeriesQuery } from './query-service.ts'

/** A call of the engine. */
export type QueryCall =
  | { readonly method: 'instant'; readonly query: InstantQuery }
  | { readonly method: 'range'; readonly query: RangeQuery }
  | { readonly method: 'instantJson'; readonly query: InstantQuery; readonly format: PrometheusFormat }
  | { readonly method: 'rangeJson'; readonly query: RangeQuery; readonly format: PrometheusFormat }
  | { readonly method: 'series'; readonly query: SeriesQuery }
  | { readonly method: 'labelNames'; readonly query: SeriesQuery }
  | { readonly method: 'labelValues'; readonly query: SeriesQuery; readonly name: string }

/** To a worker. Each message of ours is marked, so that a preset may send its own through the same port. */
export type ToWorker =
  | { readonly tidemark: 'query'; readonly type: 'run'; readonly id: number; readonly call: QueryCall }
  | { readonly tidemark: 'query'; readonly type: 'cancel'; readonly id: number }

export type FromWorker =
  | { readonly tidemark: 'query'; readonly type: 'ready' }
  | { readonly tidemark: 'query'; readonly type: 'done'; readonly id: number; readonly value: unknown; readonly samplesRead: number }
  | { readonly tidemark: 'query'; readonly type: 'failed'; readonly id: number; readonly code: QueryErrorCode; readonly message: string }

/** The member of a worker's `workerData` through which the main thread cancels: one Int32, the id of the query that is to end. */
export const CONTROL = 'queryControl'

export function isQueryMessage(message: unknown): message is { readonly tidemark: 'query' } {
  return typeof message === 'object' && message !== null && 'tidemark' in message && message.tidemark === 'query'
}

interface PackedRange {
  readonly timestamps: Float64Array<ArrayBuffer>
  readonly labels: readonly (readonly string[])[]
  /** All series', one after the other. */
  readonly values: Float64Array<ArrayBuffer>
  /** The same of presence; null: every point is there. */
  readonly present: Uint8Array<ArrayBuffer> | null
}

export type PackedRangeAnswer = Omit<Answer<unknown>, 'result'> & { readonly packed: PackedRange }

export function packRange(answer: Answer<RangeResult>): { value: PackedRangeAnswer; transfer: ArrayBuffer[] } {
  const { result, ...rest } = answer
  const count = result.timestamps.length
  const timestamps = new Float64Array(result.timestamps)
  const values = new Float64Array(count * result.series.length)
  const present = result.series.some((series) => series.present !== null) ? new Uint8Array(values.length).fill(1) : null
  for (const [index, series] of result.series.entries()) {
    values.set(series.values, index * count)
    if (series.present !== null) present?.set(series.present, index * count)
  }
  const labels = result.series.map((series) => series.labels.pairs)
  const transfer = [timestamps.buffer, values.buffer, ...(present === null ? [] : [present.buffer])]
  return { value: { ...rest, packed: { timestamps, labels, values, present } }, transfer }
}

export function unpackRange({ packed, ...rest }: PackedRangeAnswer): Answer<RangeResult> {
  const count = packed.timestamps.length
  const series = packed.labels.map((pairs, index) => ({
    labels: Labels.fromSortedPairs(pairs),
    values: packed.values.subarray(index * count, (index + 1) * count),
    present: packed.present?.subarray(index * count, (index + 1) * count) ?? null,
  }))
  return { ...rest, result: { type: 'range', timestamps: packed.timestamps, series } }
}

type PackedInstant =
  | Exclude<InstantResult, { type: 'vector' | 'matrix' }>
  | { readonly type: 'vector'; readonly timeMs: number; readonly labels: readonly (readonly string[])[]; readonly values: Float64Array }
  | { readonly type: 'matrix'; readonly series: readonly { pairs: readonly string[]; times: Float64Array; values: Float64Array }[] }

export type PackedInstantAnswer = Omit<Answer<unknown>, 'result'> & { readonly packed: PackedInstant }

export function packInstant({ result, ...rest }: Answer<InstantResult>): PackedInstantAnswer {
  if (result.type === 'vector') {
    const labels = result.series.map((series) => series.labels.pairs)
    return {
      ...rest,
      packed: { type: 'vector', timeMs: result.timeMs, labels, values: Float64Array.from(result.series, (one) => one.value) },
    }
  }
  if (result.type === 'matrix') {
    // Own arrays: a view would be cloned with all the memory behind it, or share it.
    const series = result.series.map(({ labels, times, values }) => ({
      pairs: labels.pairs,
      times: new Float64Array(times),
      values: new Float64Array(values),
    }))
    return { ...rest, packed: { type: 'matrix', series } }
  }
  return { ...rest, packed: result }
}

export function unpackInstant({ packed, ...rest }: PackedInstantAnswer): Answer<InstantResult> {
  if (packed.type === 'vector') {
    const series = packed.labels.map((pairs, index) => ({ labels: Labels.fromSortedPairs(pairs), value: packed.values[index] as number }))
    return { ...rest, result: { type: 'vector', timeMs: packed.timeMs, series } }
  }
  if (packed.type === 'matrix') {
    const series = packed.series.map(({ pairs, times, values }) => ({ labels: Labels.fromSortedPairs(pairs), times, values }))
    return { ...rest, result: { type: 'matrix', series } }
  }
  return { ...rest, result: packed }
}
