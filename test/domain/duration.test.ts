import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { formatDuration, parseDuration } from '../../src/domain/duration.ts'

describe('durations', () => {
  it('are read as Prometheus reads them', () => {
    const cases: [string, number | null][] = [
      ['0', 0],
      ['5m', 300_000],
      ['1h30m', 5_400_000],
      ['250ms', 250],
      ['1d', 86_400_000],
      ['1w2d', 9 * 86_400_000],
      ['1y', 365 * 86_400_000],
      ['', null],
      ['5', null],
      ['5 m', null],
      ['-5m', null],
      ['1m1h', null],
      ['1.5h', null],
      ['5M', null],
      ['99999999999999y', null],
    ]
    for (const [text, ms] of cases) expect([text, parseDuration(text)]).toEqual([text, ms])
  })

  it('are printed as Prometheus prints them', () => {
    expect([0, 90_000, 5_400_000, 7 * 86_400_000, 36 * 3_600_000, 1].map(formatDuration)).toEqual([
      '0s',
      '1m30s',
      '1h30m',
      '1w',
      '36h',
      '1ms',
    ])
  })

  it('are read again as they were printed', () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 40 }), (ms) => parseDuration(formatDuration(ms)) === ms))
  })
})
