import { isStaleAt } from '../../domain/sample.ts'
import type { SeriesColumns } from '../../domain/series.ts'
import type { AtModifier, MatrixSelector, RangeExtension, VectorSelector } from '../ast.ts'
import type { MatrixSeries } from '../result.ts'
import { type Context, loadedFor } from './context.ts'
import { extendSamples, smoothInstant } from './extended.ts'
import { dropNames, emptyTable, type RangeVector, type Table, TableBuilder } from './table.ts'
import { LookbackWindows, upperBound } from './windows.ts'

/** The times that a selector or subquery looks back from, one a step. */
export function referenceTimes(at: AtModifier, offsetMs: number, context: Context): Float64Array {
  const fixed = fixedTime(at, context)
  if (fixed === null && offsetMs === 0) return context.grid.times
  const refs = new Float64Array(context.grid.count)
  for (let k = 0; k < refs.length; k++) refs[k] = (fixed ?? (context.grid.times[k] as number)) - offsetMs
  return refs
}

function fixedTime(at: AtModifier, context: Context): number | null {
  if (at === null) return null
  if (at.kind === 'time') return at.timeMs
  return at.kind === 'start' ? context.queryStartMs : context.queryEndMs
}

/** The 32-bit halves of values, to tell staleness markers from other NaNs. */
function bitsOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length * 2)
}

/** An instant vector: of each series the newest sample within the lookback, unless it says that the series has ended. */
export function selectInstant(selector: VectorSelector, context: Context): Table {
  return selector.extension === 'smoothed' ? selectSmoothed(selector, context) : select(selector, context, false)
}

function selectSmoothed(selector: VectorSelector, context: Context): Table {
  const refs = referenceTimes(selector.at, selector.offsetMs, context)
  const first = refs[0]
  if (first === undefined) return emptyTable(0)
  const { lookbackMs } = context
  const series = liveSeries(selector, first - lookbackMs, (refs[refs.length - 1] as number) + lookbackMs, context)
  context.budget.makeRoom(series.length * refs.length)
  return smoothInstant(series, refs, lookbackMs)
}

/** `timestamp(selector)`: the times of those samples, in seconds. */
export function selectTimestamps(selector: VectorSelector, context: Context): Table {
  return dropNames(select(selector, context, true))
}

function select(selector: VectorSelector, context: Context, timesWanted: boolean): Table {
  const series = loadedFor(context, selector)
  const steps = context.grid.count
  const windows = new LookbackWindows(referenceTimes(selector.at, selector.offsetMs, context), context.lookbackMs)
  context.budget.makeRoom(series.length * steps)
  const builder = new TableBuilder(series.length, steps)
  const present = new Uint8Array(steps)
  for (const { labels, times, values } of series) {
    const newest = windows.of(times)
    const count = timesWanted
      ? fillTimes(times, values, newest, builder.values, builder.base, present)
      : fillValues(values, newest, builder.values, builder.base, present)
    builder.commit(labels, count, present)
    context.budget.hold(count)
    context.budget.work(steps)
  }
  return builder.build()
}

function fillValues(values: Float64Array, newest: Int32Array, out: Float64Array, base: number, present: Uint8Array): number {
  let bits: Uint32Array | null = null
  let count = 0
  for (let k = 0; k < newest.length; k++) {
    const i = newest[k] as number
    present[k] = 0
    if (i < 0) continue
    const value = values[i] as number
    // Only a NaN can be a staleness marker.
    if (Number.isNaN(value)) {
      bits ??= bitsOf(values)
      if (isStaleAt(bits, i)) continue
    }
    out[base + k] = value
    present[k] = 1
    count++
  }
  return count
}

function fillTimes(
  times: Float64Array,
  values: Float64Array,
  newest: Int32Array,
  out: Float64Array,
  base: number,
  present: Uint8Array,
): number {
  const bits = bitsOf(values)
  let count = 0
  for (let k = 0; k < newest.length; k++) {
    const i = newest[k] as number
    present[k] = i >= 0 && !isStaleAt(bits, i) ? 1 : 0
    if (present[k] === 0) continue
    out[base + k] = (times[i] as number) / 1000
    count++
  }
  return count
}

/** A range vector for functions; staleness markers are no samples of it. */
export function selectRange(node: MatrixSelector, context: Context): RangeVector {
  const { selector, rangeMs } = node
  const ends = referenceTimes(selector.at, selector.offsetMs, context)
  const extension = selector.extension ?? null
  const first = ends[0]
  if (first === undefined) return { kind: 'matrix', series: [], ends, rangeMs, extension }
  const { before, after } = reachBeyond(extension, context.lookbackMs)
  const series = liveSeries(selector, first - rangeMs - before, (ends[ends.length - 1] as number) + after, context)
  return { kind: 'matrix', series, ends, rangeMs, extension }
}

/** How far an extended range reaches beyond its edges. */
export function reachBeyond(extension: RangeExtension | null, lookbackMs: number): { before: number; after: number } {
  return { before: extension === null ? 0 : lookbackMs, after: extension === 'smoothed' ? lookbackMs : 0 }
}

/** The loaded series without staleness markers in (startMs, endMs]. */
function liveSeries(selector: VectorSelector, startMs: number, endMs: number, context: Context): SeriesColumns[] {
  const series: SeriesColumns[] = []
  for (const columns of loadedFor(context, selector)) {
    const live = withoutStale(columns, startMs, endMs)
    if (live.times.length > 0) series.push(live)
  }
  return series
}

/** The same columns if there is no staleness marker in (startMs, endMs], else a copy without. */
function withoutStale(columns: SeriesColumns, startMs: number, endMs: number): SeriesColumns {
  const { labels, times, values } = columns
  const length = times.length
  let from = 0
  let to = length
  if (length > 0 && (times[0] as number) <= startMs) from = upperBound(times, startMs)
  if (length > 0 && (times[length - 1] as number) > endMs) to = upperBound(times, endMs, from)
  let bits: Uint32Array | null = null
  let stale = 0
  for (let i = from; i < to; i++) {
    const value = values[i] as number
    if (!Number.isNaN(value)) continue
    bits ??= bitsOf(values)
    if (isStaleAt(bits, i)) stale++
  }
  if (stale === 0 || bits === null) return columns
  const liveTimes = new Float64Array(to - from - stale)
  const liveValues = new Float64Array(to - from - stale)
  let count = 0
  for (let i = from; i < to; i++) {
    if (isStaleAt(bits, i)) continue
    liveTimes[count] = times[i] as number
    liveValues[count++] = values[i] as number
  }
  return { labels, times: liveTimes, values: liveValues }
}

/** A range vector as an answer of its own: the samples of its one window. */
export function rawSeries({ series, ends, rangeMs, extension }: RangeVector, lookbackMs: number): MatrixSeries[] {
  const out: MatrixSeries[] = []
  const endMs = ends[0]
  if (endMs === undefined) return out
  const { before, after } = reachBeyond(extension, lookbackMs)
  for (const { labels, times, values } of series) {
    const from = upperBound(times, endMs - rangeMs - before)
    const to = upperBound(times, endMs + after, from)
    if (to === from) continue
    const samples = { labels, times: times.slice(from, to), values: values.slice(from, to) }
    const extended = extension === null ? samples : extendSamples(samples, endMs - rangeMs, endMs, extension === 'smoothed')
    if (extended !== null) out.push(extended)
  }
  return out
}
