/**
 * The evaluator alone, on synthetic columns: 500 series of 720 samples at 10 s that share their times.
 * Run: node bench/promql.bench.ts [series]
 */
import { Labels } from '../src/domain/labels.ts'
import type { SeriesColumns } from '../src/domain/series.ts'
import { type EvalWindow, evaluateInstant, evaluateRange, selections } from '../src/promql/evaluate.ts'
import { parseExpr } from '../src/promql/parse/parse.ts'

const SAMPLES = 720
const INTERVAL_MS = 10_000
const START_MS = 1_760_000_000_000
const END_MS = START_MS + (SAMPLES - 1) * INTERVAL_MS
const seriesCount = Number(process.argv[2] ?? 500)
const limits = { samplesMax: 50_000_000, checkpoint: () => {} }

function makeSeries(name: string, counter: boolean): SeriesColumns[] {
  const times = Float64Array.from({ length: SAMPLES }, (_, i) => START_MS + i * INTERVAL_MS)
  return Array.from({ length: seriesCount }, (_, s) => {
    let seed = s * 7919 + 1
    let value = 0
    const values = Float64Array.from({ length: SAMPLES }, () => {
      seed = (seed * 1103515245 + 12345) % 2147483648
      value = counter ? value + (seed % 100) : (seed % 1000) / 7
      return value
    })
    const labels = { __name__: name, job: `job-${s % 5}`, instance: `host-${s % 50}:9100`, cpu: String(Math.floor(s / 50)), mode: 'user' }
    return { labels: Labels.fromObject(labels), times, values }
  })
}

const shared = new Map<string, Float64Array>()
const counters = makeSeries('requests_total', true)
const gauges = makeSeries('temperature', false)

/** [expression, steps]; steps 1: an instant query. */
const shapes: readonly (readonly [string, number])[] = [
  ['temperature', 360],
  ['temperature > 100', 360],
  ['rate(requests_total[5m])', 115],
  ['sum by (job) (rate(requests_total[5m]))', 115],
  ['sum by (job) (temperature)', 360],
  ['avg without (cpu) (temperature)', 360],
  ['quantile by (job) (0.9, temperature)', 115],
  ['max_over_time(temperature[1m])', 115],
  ['max_over_time(temperature[1h])', 115],
  ['avg_over_time(temperature[1h])', 115],
  ['quantile_over_time(0.9, temperature[10m])', 115],
  ['topk(5, rate(requests_total[5m]))', 115],
  ['temperature / on (job, instance, cpu, mode) requests_total', 115],
  ['max_over_time(rate(requests_total[5m])[30m:1m])', 60],
  ['requests_total', 1],
  ['sum by (job) (rate(requests_total[5m]))', 1],
  ['topk(10, requests_total)', 1],
]

for (const [text, steps] of shapes) {
  const expr = parseExpr(text)
  const stepMs = steps === 1 ? 0 : Math.floor((END_MS - START_MS) / 2 / steps)
  const window: EvalWindow = { startMs: END_MS - stepMs * Math.max(0, steps - 1), endMs: END_MS, stepMs, lookbackMs: 300_000 }
  const wanted = selections(expr, window)
  const loaded = new Map(
    wanted.map(({ selector, matchers, range }) => {
      const all = matchers.some(({ value }) => value === 'temperature') ? gauges : counters
      return [selector, all.map((columns) => cut(columns, range.startMs, range.endMs))] as const
    }),
  )
  let samples = 0
  for (const series of loaded.values()) for (const { times } of series) samples += times.length
  const run = () => (steps === 1 ? evaluateInstant(expr, window, loaded, limits) : evaluateRange(expr, window, loaded, limits))
  const ms = median(run)
  const label = `${steps === 1 ? 'instant' : `${steps} steps`}`.padEnd(10)
  console.log(
    `${text.padEnd(62)} ${label} ${ms.toFixed(2).padStart(8)} ms ${(samples / ms / 1000).toFixed(1).padStart(8)} M input samples/s`,
  )
}

/** The samples of a column in (startMs, endMs]; series that shared their times share them still. */
function cut({ labels, times, values }: SeriesColumns, startMs: number, endMs: number): SeriesColumns {
  const from = times.findIndex((time) => time > startMs)
  const to = times.findLastIndex((time) => time <= endMs) + 1
  const key = `${from}:${to}`
  let cutTimes = shared.get(key)
  if (cutTimes === undefined) {
    cutTimes = times.slice(from, to)
    shared.set(key, cutTimes)
  }
  return { labels, times: cutTimes, values: values.slice(from, to) }
}

function median(run: () => unknown): number {
  const took: number[] = []
  for (let i = 0; i < 15; i++) {
    const before = performance.now()
    run()
    took.push(performance.now() - before)
  }
  took.sort((a, b) => a - b)
  return took[7] as number
}
