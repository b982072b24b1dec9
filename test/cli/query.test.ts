import { describe, expect, it } from '@jest/globals'
import { type AnswerData, formatAnswer } from '../../src/cli/format-answer.ts'
import { parameters } from '../../src/cli/query.ts'

const NOW_MS = 1_700_000_000_000

describe('the times of a query', () => {
  const of = (flags: Parameters<typeof parameters>[1]) => Object.fromEntries(parameters('up', flags, NOW_MS))

  it('are now, absolute or some time ago', () => {
    expect(of({})).toEqual({ query: 'up', time: '1700000000' })
    expect(of({ time: '-5m' }).time).toBe('1699999700')
    expect(of({ time: '12.5' }).time).toBe('12.5')
    expect(of({ time: '2023-11-14T22:13:20Z' }).time).toBe('1700000000')
  })

  it('make a range of about 100 points, or the step that is asked for', () => {
    expect(of({ start: '-1h' })).toEqual({ query: 'up', start: '1699996400', end: '1700000000', step: '36' })
    expect(of({ start: '-10s', end: 'now' }).step).toBe('1')
    expect(of({ start: '0', end: '60', step: '1m30s' }).step).toBe('90')
  })

  it('are refused where they make no sense', () => {
    for (const flags of [
      { time: 'yesterday' },
      { time: '2023-11' },
      { end: 'now' },
      { step: '1m' },
      { start: '-1h', time: 'now' },
      { start: 'now', end: '-1h' },
      { start: '-1h', step: '0' },
    ]) {
      expect(() => parameters('up', flags, NOW_MS)).toThrow(/--/)
    }
  })
})

describe('an answer for people', () => {
  it('is a line a series, values to the right', () => {
    const result: Extract<AnswerData, { resultType: 'vector' }>['result'] = [
      { metric: { __name__: 'up', job: 'a "b"' }, value: [1, '1'] },
      { metric: {}, value: [1.5, '12345'] },
    ]
    expect(formatAnswer({ resultType: 'vector', result })).toBe(
      'up{job="a \\"b\\""}      1  1970-01-01T00:00:01.000Z\n{}                 12345  1970-01-01T00:00:01.500Z',
    )
  })

  it('is a block a series for a range', () => {
    const result: Extract<AnswerData, { resultType: 'matrix' }>['result'] = [
      {
        metric: { __name__: 'up' },
        values: [
          [1, '1'],
          [2, '10'],
        ],
      },
      { metric: { a: 'b' }, values: [[1, 'NaN']] },
    ]
    expect(formatAnswer({ resultType: 'matrix', result })).toBe(
      'up\n  1970-01-01T00:00:01.000Z   1\n  1970-01-01T00:00:02.000Z  10\n\n{a="b"}\n  1970-01-01T00:00:01.000Z  NaN',
    )
  })

  it('is one word for a scalar, and says when there is nothing', () => {
    expect(formatAnswer({ resultType: 'scalar', result: [1, '+Inf'] })).toBe('+Inf')
    expect(formatAnswer({ resultType: 'vector', result: [] })).toBe('(no series)')
  })
})
