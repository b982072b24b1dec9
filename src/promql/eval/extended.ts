import type { SeriesColumns } from '../../domain/series.ts'
import type { RangeFunction } from './range-kernel.ts'
import type { Table } from './table.ts'
import { TableBuilder } from './table.ts'
import { LookbackWindows } from './windows.ts'

/*
 * Selectors that look beyond the edges of their range (`anchored`, `smoothed`). Their windows are longer by the lookback: to the left,
 * and smoothed ones to the right as well. At the left edge stands the last sample at or before it, at the right edge the last one
 * before it, or, smoothed, what lies on the line to the next one. Where there is no sample beyond the edge, the nearest within counts.
 */

/** The samples of an extended window that count: from the one that anchors the left edge to the one that anchors the right. */
interface Edges {
  first: number
  last: number
}

/** Sets `edges` for the samples [low, high) of the range (startMs, endMs]. @returns false if none of them lies after the left edge. */
function findEdges(
  times: Float64Array,
  low: number,
  high: number,
  startMs: number,
  endMs: number,
  smoothed: boolean,
  edges: Edges,
): boolean {
  let last = high - 1
  if (last < low) return false
  edges.first = Math.max(low, firstFrom(times, low, last, startMs, false) - 1)
  if (smoothed) last = firstFrom(times, low, last, endMs, true)
  edges.last = last
  return (times[last] as number) > startMs
}

/** The first index in [from, to) after `timeMs`, or at it if `inclusive`; `to` if there is none. */
function firstFrom(times: Float64Array, from: number, to: number, timeMs: number, inclusive: boolean): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const time = times[middle] as number
    if (inclusive ? time >= timeMs : time > timeMs) high = middle
    else low = middle + 1
  }
  return low
}

/** On the line between two samples; a counter that was reset between them began again at 0. */
function interpolate(times: Float64Array, values: Float64Array, left: number, timeMs: number, isCounter: boolean): number {
  const after = values[left + 1] as number
  let before = values[left] as number
  if (isCounter && after < before) before = 0
  const leftMs = times[left] as number
  return before + ((after - before) * (timeMs - leftMs)) / ((times[left + 1] as number) - leftMs)
}

function leftValue(
  times: Float64Array,
  values: Float64Array,
  first: number,
  startMs: number,
  smoothed: boolean,
  isCounter: boolean,
): number {
  if (!smoothed || (times[first] as number) >= startMs) return values[first] as number
  return interpolate(times, values, first, startMs, isCounter)
}

function rightValue(
  times: Float64Array,
  values: Float64Array,
  { low, last }: { low: number; last: number },
  endMs: number,
  smoothed: boolean,
  isCounter: boolean,
): number {
  if ((times[last] as number) <= endMs || last === low) return values[last] as number
  return smoothed ? interpolate(times, values, last - 1, endMs, isCounter) : (values[last - 1] as number)
}

/** rate, increase, delta: from edge to edge, so nothing has to be extrapolated. */
export function extendedRate(isCounter: boolean, isRate: boolean): RangeFunction {
  return ({ ends, rangeMs, extension }) => {
    const smoothed = extension === 'smoothed'
    const edges: Edges = { first: 0, last: 0 }
    return ({ times, values, low, high, steps }, out, base, present) => {
      let count = 0
      for (let k = 0; k < steps; k++) {
        const end = ends[k] as number
        const start = end - rangeMs
        const from = low[k] as number
        present[k] = 0
        if (!findEdges(times, from, high[k] as number, start, end, smoothed, edges)) continue
        let { first, last } = edges
        if (smoothed && (times[first] as number) > end) continue
        const left = leftValue(times, values, first, start, smoothed, isCounter)
        const right = rightValue(times, values, { low: from, last }, end, smoothed, isCounter)
        let delta = right - left
        if (isCounter) {
          // The edges have seen to what lies on them.
          if ((times[first] as number) <= start) first++
          if ((times[last] as number) >= end) last--
          delta += lostByResets(left, right, values, first, last)
        }
        out[base + k] = isRate ? delta / (rangeMs / 1000) : delta
        present[k] = 1
        count++
      }
      return count
    }
  }
}

function lostByResets(left: number, right: number, values: Float64Array, first: number, last: number): number {
  let lost = 0
  let before = left
  for (let i = first; i <= last; i++) {
    const value = values[i] as number
    if (value < before) lost += before
    before = value
  }
  return right < before ? lost + before : lost
}

/** For resets and changes: the window from the sample that anchors its left edge on; -1 if nothing lies after that edge. */
export function anchoredLow(times: Float64Array, low: number, high: number, startMs: number): number {
  const after = firstFrom(times, low, high, startMs, false)
  return after >= high ? -1 : Math.max(low, after - 1)
}

/** `selector smoothed`: at each step the value on the line between the samples around it; after the last one, that one's. */
export function smoothInstant(series: readonly SeriesColumns[], refs: Float64Array, lookbackMs: number): Table {
  const steps = refs.length
  const builder = new TableBuilder(series.length, steps)
  const present = new Uint8Array(steps)
  const windows = new LookbackWindows(refs, lookbackMs)
  for (const { labels, times, values } of series) {
    const newest = windows.of(times)
    const { base } = builder
    let count = 0
    for (let k = 0; k < steps; k++) {
      const i = newest[k] as number
      const ref = refs[k] as number
      present[k] = i < 0 ? 0 : 1
      if (i < 0) continue
      const exact = times[i] === ref || i + 1 >= times.length || (times[i + 1] as number) > ref + lookbackMs
      builder.values[base + k] = exact ? (values[i] as number) : interpolate(times, values, i, ref, false)
      count++
    }
    builder.commit(labels, count, present)
  }
  return builder.build()
}

/** The samples of one range with a value at each of its edges; for a range vector that is an answer of its own. */
export function extendSamples(
  { labels, times, values }: SeriesColumns,
  startMs: number,
  endMs: number,
  smoothed: boolean,
): SeriesColumns | null {
  const edges: Edges = { first: 0, last: 0 }
  if (!findEdges(times, 0, times.length, startMs, endMs, smoothed, edges)) return null
  let { first, last } = edges
  const left = leftValue(times, values, first, startMs, smoothed, false)
  const right = rightValue(times, values, { low: 0, last }, endMs, smoothed, false)
  if ((times[first] as number) <= startMs) first++
  if ((times[last] as number) >= endMs) last--
  const between = Math.max(0, last - first + 1)
  const outTimes = new Float64Array(between + 2)
  const outValues = new Float64Array(between + 2)
  outTimes[0] = startMs
  outValues[0] = left
  outTimes.set(times.subarray(first, first + between), 1)
  outValues.set(values.subarray(first, first + between), 1)
  outTimes[between + 1] = endMs
  outValues[between + 1] = right
  return { labels, times: outTimes, values: outValues }
}
