import { describe, expect, it } from '@jest/globals'
import { Labels } from '../../../src/domain/labels.ts'
import type { SeriesColumns } from '../../../src/domain/series.ts'
import { PromqlLimitError, PromqlParseError } from '../../../src/promql/errors.ts'
import { type EvalLimits, type EvalWindow, evaluateInstant, evaluateRange, selections } from '../../../src/promql/evaluate.ts'
import { parseExpr } from '../../../src/promql/parse/parse.ts'
import { freeLimits } from './sample-data.ts'

/** `count` series `m{i}` of 100 samples each 10 s, all of their number. */
function manySeries(count: number): SeriesColumns[] {
  const times = Float64Array.from({ length: 100 }, (_, i) => i * 10_000)
  return Array.from({ length: count }, (_, i) => ({
    labels: Labels.fromObject({ __name__: 'm', i: String(i) }),
    times,
    values: new Float64Array(100).fill(i),
  }))
}

const window: EvalWindow = { startMs: 500_000, endMs: 590_000, stepMs: 10_000, lookbackMs: 300_000 }

function range(text: string, series: readonly SeriesColumns[], limits: EvalLimits = freeLimits) {
  const expr = parseExpr(text)
  return evaluateRange(expr, window, new Map(selections(expr, window).map(({ selector }) => [selector, series])), limits, text)
}

function instant(text: string, series: readonly SeriesColumns[]) {
  const expr = parseExpr(text)
  return evaluateInstant(expr, window, new Map(selections(expr, window).map(({ selector }) => [selector, series])), freeLimits)
}

describe('limits', () => {
  it('refuses to hold more points than allowed, in the words of Prometheus', () => {
    const limits = { samplesMax: 999, checkpoint: () => {} }
    expect(() => range('m', manySeries(100), limits)).toThrow(PromqlLimitError)
    expect(() => range('m', manySeries(100), limits)).toThrow('query processing would load too many samples into memory in query execution')
    expect(range('m', manySeries(99), limits).result.series).toHaveLength(99)
  })

  it('counts what is held at once, not what went through', () => {
    const limits = { samplesMax: 1500, checkpoint: () => {} }
    expect(range('sum(m) + sum(m) + sum(m)', manySeries(100), limits).result.series).toHaveLength(1)
    expect(() => range('m + m', manySeries(100), limits)).toThrow(PromqlLimitError)
  })

  it('counts the samples of one window', () => {
    const limits = { samplesMax: 39, checkpoint: () => {} }
    expect(() => range('sum(count_over_time(m[400s]))', manySeries(1), limits)).toThrow(PromqlLimitError)
    expect(range('sum(count_over_time(m[300s]))', manySeries(1), limits).result.series).toHaveLength(1)
  })

  it('refuses tables that would be large though nearly empty', () => {
    const series = manySeries(200).map(({ labels, times, values }) => ({ labels, times: times.slice(0, 1), values: values.slice(0, 1) }))
    const expr = parseExpr('m')
    const long = { startMs: 0, endMs: 100_000_000, stepMs: 10_000, lookbackMs: 10_000 }
    const loaded = new Map(selections(expr, long).map(({ selector }) => [selector, series]))
    expect(() => evaluateRange(expr, long, loaded, { samplesMax: 1000, checkpoint: () => {} })).toThrow(PromqlLimitError)
  })

  it('ends when a checkpoint throws', () => {
    let calls = 0
    const checkpoint = () => {
      if (++calls === 3) throw new Error('the client has left')
    }
    expect(() => range('sum(rate(m[1m]))', manySeries(5000), { samplesMax: 1e9, checkpoint })).toThrow('the client has left')
  })
})

describe('the form of answers', () => {
  it('orders series by their labels, whatever the order they were loaded in', () => {
    const series = manySeries(12)
    const names = (answer: ReturnType<typeof range>) => answer.result.series.map(({ labels }) => labels.get('i'))
    expect(names(range('m', series.toReversed()))).toEqual(names(range('m', series)))
    expect(names(range('m', series)).slice(0, 4)).toEqual(['0', '1', '10', '11'])
  })

  it('tells the steps, and where there are points', () => {
    const { result } = range('m > 0', manySeries(2))
    expect([...result.timestamps]).toEqual(Array.from({ length: 10 }, (_, k) => 500_000 + k * 10_000))
    expect(result.series).toHaveLength(1)
    expect(result.series[0]?.present).toBeNull()
    const late = range('vector(time()) > 570', []).result.series[0]
    expect([...(late?.present ?? [])]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1])
  })

  it('answers a scalar over a range as one series without labels', () => {
    const { series } = range('time()', []).result
    expect(series[0]?.labels).toBe(Labels.EMPTY)
    expect([...(series[0]?.values ?? [])]).toEqual(Array.from({ length: 10 }, (_, k) => 500 + k * 10))
  })

  it('answers each type of an instant query', () => {
    expect(instant('1 + 1', []).result).toEqual({ type: 'scalar', timeMs: 500_000, value: 2 })
    expect(instant('"text"', []).result).toEqual({ type: 'string', timeMs: 500_000, value: 'text' })
    expect(instant('m', manySeries(1)).result).toMatchObject({ type: 'vector', timeMs: 500_000, series: [{ value: 0 }] })
    const matrix = instant('m[25s]', manySeries(1)).result
    expect(matrix.type === 'matrix' && [...(matrix.series[0]?.times ?? [])]).toEqual([480_000, 490_000, 500_000])
    const steps = instant('m[25s:20s]', manySeries(1)).result
    expect(steps.type === 'matrix' && [...(steps.series[0]?.times ?? [])]).toEqual([480_000, 500_000])
  })

  it.each([
    ['m[1m]', 'invalid expression type "range vector" for range query, must be Scalar or instant Vector'],
    ['"text"', 'invalid expression type "string" for range query, must be Scalar or instant Vector'],
  ])('refuses %s as a range query', (text, message) => {
    expect(() => range(text, [])).toThrow(PromqlParseError)
    expect(() => range(text, [])).toThrow(message)
  })

  it('leaves the loaded columns as they were', () => {
    const series = manySeries(3)
    range('-(m * 2) + abs(m) > bool sort(clamp_max(m, 1))', series)
    expect(series.map(({ values }) => values[50])).toEqual([0, 1, 2])
  })
})

describe('annotations', () => {
  it('tell the place by line and byte', () => {
    const { infos } = range('sum(\n  rate(m[1m])) # é\n', manySeries(1))
    expect(infos).toEqual(['PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (2:8)'])
  })

  it('have no place without the text of the query', () => {
    const expr = parseExpr('quantile(2, m)')
    const loaded = new Map(selections(expr, window).map(({ selector }) => [selector, manySeries(1)]))
    const { warnings } = evaluateInstant(expr, window, loaded, freeLimits)
    expect(warnings).toEqual(['PromQL warning: quantile value should be between 0 and 1, got 2'])
  })
})
