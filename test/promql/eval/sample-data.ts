import fc from 'fast-check'
import { Labels } from '../../../src/domain/labels.ts'
import { setStaleAt } from '../../../src/domain/sample.ts'
import type { SeriesColumns } from '../../../src/domain/series.ts'
import { type EvalWindow, evaluateInstant, evaluateRange, type LoadedSeries, selections } from '../../../src/promql/evaluate.ts'
import { parseExpr } from '../../../src/promql/parse/parse.ts'

/** Some values met in practice and some that are hard: NaN, infinities, negative zero, huge and tiny; null is a staleness marker. */
export const sampleValue = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: -50, max: 200 }) },
  { weight: 5, arbitrary: fc.double({ min: -1e3, max: 1e3, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 1e308, 1e-308, 1e100) },
  { weight: 1, arbitrary: fc.constant(null) },
)

/** Samples about 10 s apart, some missing. */
export const column = fc
  .array(fc.record({ value: sampleValue, skip: fc.integer({ min: 1, max: 3 }), jitterMs: fc.integer({ min: -2000, max: 2000 }) }), {
    maxLength: 60,
  })
  .map((samples) => {
    const times = new Float64Array(samples.length)
    const values = new Float64Array(samples.length)
    const bits = new Uint32Array(values.buffer)
    let time = 0
    for (const [i, { value, skip, jitterMs }] of samples.entries()) {
      time += skip * 10_000
      times[i] = time + jitterMs
      if (value === null) setStaleAt(bits, i)
      else values[i] = value
    }
    return { times, values }
  })

/** Up to five series of one metric. */
export const metric = fc.array(column, { maxLength: 5 }).map((columns) =>
  columns.map(({ times, values }, i): SeriesColumns => {
    return { labels: Labels.fromObject({ __name__: 'm', group: String(i % 2), series: String(i) }), times, values }
  }),
)

export const freeLimits = { samplesMax: 1e9, checkpoint: () => {} }

export const rangeWindow: EvalWindow = { startMs: 30_000, endMs: 600_000, stepMs: 15_000, lookbackMs: 60_000 }

/** The points of a query by labels and time, asked as one range query. */
export function askRange(text: string, series: readonly SeriesColumns[], window = rangeWindow): Map<string, number> {
  const expr = parseExpr(text)
  const loaded: LoadedSeries = new Map(selections(expr, window).map(({ selector }) => [selector, series]))
  const points = new Map<string, number>()
  const { result } = evaluateRange(expr, window, loaded, freeLimits)
  for (const { labels, values, present } of result.series) {
    for (const [k, value] of values.entries()) {
      if (present === null || present[k] === 1) points.set(`${labels} ${result.timestamps[k]}`, value)
    }
  }
  return points
}

/** The same, asked as an instant query at each step, of only what that query says it reads. */
export function askEachInstant(text: string, series: readonly SeriesColumns[], window = rangeWindow): Map<string, number> {
  const expr = parseExpr(text)
  const points = new Map<string, number>()
  for (let timeMs = window.startMs; timeMs <= window.endMs; timeMs += window.stepMs) {
    const instant = { ...window, startMs: timeMs, endMs: timeMs, stepMs: 0 }
    const loaded: LoadedSeries = new Map(
      selections(expr, instant).map(({ selector, range }) => [selector, series.map((one) => within(one, range.startMs, range.endMs))]),
    )
    const { result } = evaluateInstant(expr, instant, loaded, freeLimits)
    if (result.type === 'scalar') points.set(`{} ${timeMs}`, result.value)
    if (result.type === 'vector') for (const { labels, value } of result.series) points.set(`${labels} ${timeMs}`, value)
  }
  return points
}

/** The samples in (startMs, endMs], bit for bit. */
function within({ labels, times, values }: SeriesColumns, startMs: number, endMs: number): SeriesColumns {
  const from = times.findIndex((time) => time > startMs)
  const to = times.findLastIndex((time) => time <= endMs) + 1
  return from < 0
    ? { labels, times: new Float64Array(), values: new Float64Array() }
    : { labels, times: times.slice(from, to), values: values.slice(from, to) }
}
