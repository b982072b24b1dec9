import { describe, expect, it } from '@jest/globals'
import { selections } from '../../../src/promql/evaluate.ts'
import { parseExpr } from '../../../src/promql/parse/parse.ts'

/** What an expression reads, in seconds, evaluated from 1000 s to 2000 s each 60 s (so the last time is 1960 s) with a lookback of 300 s. */
function reads(text: string): [number, number][] {
  const window = { startMs: 1_000_000, endMs: 2_000_000, stepMs: 60_000, lookbackMs: 300_000 }
  return selections(parseExpr(text), window).map(({ range }) => [range.startMs / 1000, range.endMs / 1000])
}

describe('what an expression reads', () => {
  const cases: [string, [number, number][]][] = [
    ['m', [[700, 1960]]],
    ['m offset 1m', [[640, 1900]]],
    ['m offset -1m', [[760, 2020]]],
    ['m @ 500', [[200, 500]]],
    ['m @ start()', [[700, 1000]]],
    ['m @ end()', [[1700, 2000]]],
    ['m @ 500 offset 1m', [[140, 440]]],
    ['rate(m[10m])', [[400, 1960]]],
    ['rate(m[10m] offset 1m)', [[340, 1900]]],
    // The first multiple of 100 s after 1000 s - 600 s is 500 s.
    ['max_over_time(m[10m:100s])', [[200, 1900]]],
    ['max_over_time(m[10m:100s] offset 50s)', [[100, 1900]]],
    ['max_over_time(rate(m[5m])[10m:100s])', [[200, 1900]]],
    ['max_over_time(m[10m:100s] @ 1200)', [[400, 1200]]],
    ['max_over_time(m[10m:100s] @ end())', [[1200, 2000]]],
    ['max_over_time(max_over_time(m[5m:50s])[10m:100s])', [[-50, 1900]]],
    ['max_over_time((m @ 100)[10m:100s])', [[-200, 100]]],
    [
      'a + b offset 1m',
      [
        [700, 1960],
        [640, 1900],
      ],
    ],
    [
      'topk(scalar(k), m)',
      [
        [700, 1960],
        [700, 1960],
      ],
    ],
    ['m smoothed', [[700, 2260]]],
    ['rate(m[10m] anchored)', [[100, 1960]]],
    ['rate(m[10m] smoothed)', [[100, 2260]]],
    ['time()', []],
  ]
  it.each(cases)('%s', (text, expected) => {
    expect(reads(text)).toEqual(expected)
  })

  it('reads one lookback for an instant query', () => {
    const window = { startMs: 1_000_000, endMs: 1_000_000, stepMs: 0, lookbackMs: 300_000 }
    expect(selections(parseExpr('m'), window)[0]?.range).toEqual({ startMs: 700_000, endMs: 1_000_000 })
  })

  it('reads nothing when there is no step', () => {
    expect(selections(parseExpr('m'), { startMs: 2000, endMs: 1000, stepMs: 10, lookbackMs: 1 })).toEqual([])
  })
})
