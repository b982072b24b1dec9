import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { askEachInstant, askRange, metric, rangeWindow } from './sample-data.ts'

/** Equal but for what the order of additions may do. */
function near(a: number, b: number | undefined): boolean {
  if (b === undefined) return false
  if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) return true
  return Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b))
}

function differences(actual: ReadonlyMap<string, number>, expected: ReadonlyMap<string, number>): string[] {
  const out: string[] = []
  for (const [at, value] of expected) if (!near(value, actual.get(at))) out.push(`${at}: ${actual.get(at)}, not ${value}`)
  for (const at of actual.keys()) if (!expected.has(at)) out.push(`${at}: should not be there`)
  return out
}

describe('a range query is an instant query at each of its steps', () => {
  const expressions = [
    'm',
    'm offset 20s',
    'timestamp(m)',
    'rate(m[45s])',
    'increase(m[3m])',
    'delta(m[1m])',
    'irate(m[1m])',
    'resets(m[2m])',
    'changes(m[2m])',
    'deriv(m[1m])',
    'predict_linear(m[1m], 30)',
    'sum_over_time(m[20s])',
    'sum_over_time(m[5m])',
    'avg_over_time(m[5m])',
    'max_over_time(m[5m])',
    'min_over_time(m[5m])',
    'max_over_time(m[15s])',
    'count_over_time(m[1m])',
    'last_over_time(m[1m])',
    'stddev_over_time(m[1m])',
    'quantile_over_time(0.7, m[1m])',
    'absent_over_time(m[30s])',
    'present_over_time(m[20s])',
    'absent(m)',
    'sum by (group) (m)',
    'avg(m)',
    'min without (series) (m)',
    'stddev by (group) (m)',
    'quantile by (group) (0.3, m)',
    'topk(2, m)',
    'bottomk by (group) (1, m)',
    'count_values("value", m)',
    'm > 20',
    '-m',
    'm * 2 > bool 10',
    'm / on (series) m offset 10s',
    'm and m > 0',
    'm > 50 or m < 10',
    'm unless m offset 30s',
    'm - on (group) group_left () sum by (group) (m)',
    'scalar(m)',
    'clamp(m, scalar(sum(m)) - 20, 100)',
    'max_over_time(rate(m[1m])[2m:20s])',
    'sum_over_time((m > 10)[90s:15s] offset 10s)',
    'm @ 200',
    'rate(m[1m] @ 300)',
    'avg_over_time(m[2m:30s] @ 400)',
    'label_replace(m, "new", "$1-x", "series", "(.*)")',
    'time() - timestamp(m)',
    'm smoothed',
    'rate(m[1m] anchored)',
    'increase(m[45s] smoothed)',
    'delta(m[1m] smoothed offset 20s)',
    'resets(m[2m] anchored)',
    'changes(m[30s] anchored)',
  ]
  it.each(expressions)('%s', (text) => {
    fc.assert(
      fc.property(metric, (series) => {
        expect(differences(askRange(text, series), askEachInstant(text, series))).toEqual([])
      }),
      { numRuns: 40 },
    )
  })
})

it('series that share their times answer as series that do not', () => {
  fc.assert(
    fc.property(metric, fc.constantFrom('m', 'rate(m[1m])', 'max_over_time(m[3m])', 'sum by (group) (m)'), (series, text) => {
      const [first] = series
      if (first === undefined) return
      const length = Math.min(...series.map(({ times }) => times.length))
      const times = first.times.slice(0, length)
      const sharing = series.map(({ labels, values }) => ({ labels, times, values: values.slice(0, length) }))
      const apart = sharing.map((one) => ({ ...one, times: one.times.slice() }))
      expect(differences(askRange(text, sharing), askRange(text, apart))).toEqual([])
    }),
    { numRuns: 100 },
  )
})

it('samples beyond what was asked for change nothing', () => {
  fc.assert(
    fc.property(metric, fc.constantFrom('m', 'rate(m[1m])', 'avg_over_time(m[3m])', 'max_over_time(m[1m:15s])'), (series, text) => {
      const late = { ...rangeWindow, startMs: 300_000, endMs: 330_000 }
      expect(differences(askRange(text, series, late), askEachInstant(text, series, late))).toEqual([])
    }),
    { numRuns: 60 },
  )
})
