import type { Labels } from '../../domain/labels.ts'
import type { Span } from '../ast.ts'
import type { Context } from './context.ts'
import { goQuote, parseGoFloat } from './numbers.ts'
import { dropNames, type Table, TableBuilder } from './table.ts'

/** The buckets of one classic histogram: rows of the table that differ only in `le`, by bound. */
interface Histogram {
  readonly labels: Labels
  readonly buckets: { readonly bound: number; readonly row: number }[]
}

/** Bounds and cumulative counts of one histogram at one step; equal bounds are one bucket. */
interface Buckets {
  readonly bounds: Float64Array
  readonly counts: Float64Array
  length: number
}

const LE: ReadonlySet<string> = new Set(['le'])

function histogramsOf(table: Table, place: Span, context: Context): Histogram[] {
  const byKey = new Map<string, Histogram>()
  for (let row = 0; row < table.labels.length; row++) {
    const labels = table.labels[row] as Labels
    const text = labels.get('le')
    const bound = parseGoFloat(text)
    if (bound === null || Number.isNaN(bound)) {
      context.annotations.warn(`bucket label "le" is missing or has a malformed value of ${goQuote(text)}`, place)
      continue
    }
    const rest = labels.without(LE)
    let histogram = byKey.get(rest.key)
    if (histogram === undefined) {
      histogram = { labels: rest, buckets: [] }
      byKey.set(rest.key, histogram)
    }
    histogram.buckets.push({ bound, row })
  }
  for (const { buckets } of byKey.values()) buckets.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0))
  return [...byKey.values()]
}

/** Works out a number for each histogram and step from its buckets there. */
function eachHistogram(table: Table, place: Span, context: Context, compute: (buckets: Buckets, step: number) => number): Table {
  const { steps, values, present } = table
  const histograms = histogramsOf(table, place, context)
  const builder = new TableBuilder(histograms.length, steps)
  const rowPresent = new Uint8Array(steps)
  for (const { labels, buckets: of } of histograms) {
    const bounds = Float64Array.from(of, ({ bound }) => bound)
    const rows = Int32Array.from(of, ({ row }) => row)
    const buckets: Buckets = { bounds: new Float64Array(rows.length), counts: new Float64Array(rows.length), length: 0 }
    const { base } = builder
    let count = 0
    for (let k = 0; k < steps; k++) {
      let length = 0
      for (let i = 0; i < rows.length; i++) {
        const cell = (rows[i] as number) * steps + k
        if (present !== null && present[cell] === 0) continue
        const value = values[cell] as number
        if (length > 0 && buckets.bounds[length - 1] === bounds[i]) {
          buckets.counts[length - 1] = (buckets.counts[length - 1] as number) + value
        } else {
          buckets.bounds[length] = bounds[i] as number
          buckets.counts[length++] = value
        }
      }
      rowPresent[k] = length > 0 ? 1 : 0
      if (length === 0) continue
      buckets.length = length
      builder.values[base + k] = compute(buckets, k)
      count++
    }
    builder.commit(labels, count, rowPresent)
    context.budget.work(rows.length * steps)
  }
  return dropNames(builder.build())
}

export function histogramQuantile(q: Float64Array, table: Table, quantilePlace: Span, place: Span, context: Context): Table {
  for (const value of new Set(q)) if (!(value >= 0 && value <= 1)) context.annotations.invalidQuantile(value, quantilePlace)
  return eachHistogram(table, place, context, (buckets, step) => {
    const quantile = q[step] as number
    if (Number.isNaN(quantile)) return Number.NaN
    if (quantile < 0) return -Infinity
    if (quantile > 1) return Infinity
    if (buckets.bounds[buckets.length - 1] !== Infinity) return Number.NaN
    const fixed = makeMonotonic(buckets)
    if (fixed !== null) {
      context.annotations.forcedMonotonicity(place, context.grid.times[step] as number, fixed.min, fixed.max, fixed.diff)
    }
    return bucketQuantile(quantile, buckets)
  })
}

/** Interpolates linearly within the bucket where the quantile falls. */
function bucketQuantile(q: number, { bounds, counts, length }: Buckets): number {
  if (length < 2) return Number.NaN
  const observations = counts[length - 1] as number
  if (observations === 0) return Number.NaN
  let rank = q * observations
  const b = firstAtLeast(counts, length - 1, rank)
  if (b === length - 1) return bounds[length - 2] as number
  const end = bounds[b] as number
  if (b === 0 && end <= 0) return end
  let start = 0
  let count = counts[b] as number
  if (b > 0) {
    start = bounds[b - 1] as number
    count -= counts[b - 1] as number
    rank -= counts[b - 1] as number
  }
  return start + (end - start) * (rank / count)
}

/** By halving, so that counts that are not in order (NaN) are treated as Prometheus does. */
function firstAtLeast(counts: Float64Array, length: number, rank: number): number {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((counts[middle] as number) >= rank) high = middle
    else low = middle + 1
  }
  return low
}

const SMALL_DELTA = 1e-12

/** Counts may not decrease with the bound: those that do are raised. Differences as small as rounding makes them are not told. */
function makeMonotonic({ bounds, counts, length }: Buckets): { min: number; max: number; diff: number } | null {
  let fixed: { min: number; max: number; diff: number } | null = null
  let before = counts[0] as number
  for (let i = 1; i < length; i++) {
    const now = counts[i] as number
    if (now === before) continue
    if (almostEqual(before, now)) {
      counts[i] = before
      continue
    }
    if (now < before) {
      counts[i] = before
      const bound = bounds[i] as number
      fixed ??= { min: Infinity, max: -Infinity, diff: 0 }
      fixed.min = Math.min(fixed.min, bound)
      fixed.max = Math.max(fixed.max, bound)
      fixed.diff = Math.max(fixed.diff, before - now)
      continue
    }
    before = now
  }
  return fixed
}

const MIN_NORMAL = 2 ** -1022

function almostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) && Number.isNaN(b)) return true
  const sum = Math.abs(a) + Math.abs(b)
  const difference = Math.abs(a - b)
  if (a === 0 || b === 0 || sum < MIN_NORMAL) return difference < SMALL_DELTA * MIN_NORMAL
  return difference / Math.min(sum, Number.MAX_VALUE) < SMALL_DELTA
}

/** The estimated fraction of observations between two values. */
export function histogramFraction(lower: Float64Array, upper: Float64Array, table: Table, place: Span, context: Context): Table {
  return eachHistogram(table, place, context, (buckets, step) => bucketFraction(lower[step] as number, upper[step] as number, buckets))
}

function bucketFraction(lower: number, upper: number, buckets: Buckets): number {
  const { bounds, counts, length } = buckets
  if (bounds[length - 1] !== Infinity) return Number.NaN
  const observations = counts[length - 1] as number
  if (observations === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN
  if (lower >= upper) return 0
  return (rankOf(upper, buckets) - rankOf(lower, buckets)) / observations
}

/** How many observations lie below a value. */
function rankOf(value: number, { bounds, counts, length }: Buckets): number {
  const observations = counts[length - 1] as number
  let rank = 0
  for (let i = 0; i < length; i++) {
    const upperBound = bounds[i] as number
    const lowerBound = i > 0 ? (bounds[i - 1] as number) : upperBound <= 0 ? -Infinity : 0
    const count = counts[i] as number
    if (lowerBound >= value) return Math.min(rank, observations)
    if (upperBound > value) {
      // A bucket without a lower bound can't be interpolated: all of it lies below.
      const within = lowerBound === -Infinity ? count : rank + ((count - rank) * (value - lowerBound)) / (upperBound - lowerBound)
      return Math.min(within, observations)
    }
    rank = count
  }
  return observations
}
