import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { scalars } from '../../src/graphql/scalars.ts'

const { SampleValue, ValueColumn, TimestampColumn, Timestamp, Count } = scalars

describe('SampleValue', () => {
  it('comes back from JSON as it went, but for the sign of zero', () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const back = SampleValue.parseValue(JSON.parse(JSON.stringify(SampleValue.serialize(value))))
        expect(back).toBe(value === 0 ? 0 : value)
      }),
    )
  })

  it('is read from every way that Prometheus writes a float', () => {
    const texts: [string, number][] = [
      ['NaN', Number.NaN],
      ['+Inf', Infinity],
      ['Inf', Infinity],
      ['-Inf', -Infinity],
      ['1e3', 1000],
      ['-0', -0],
      ['.5', 0.5],
      ['5.', 5],
    ]
    for (const [text, value] of texts) expect(SampleValue.parseValue(text)).toBe(value)
    for (const wrong of ['', ' 1', '0x10', '1_000', 'one', 'Infinity', null, true, {}, []])
      expect(() => SampleValue.parseValue(wrong)).toThrow('SampleValue')
  })
})

describe('columns', () => {
  it('hold numbers, gaps, and names for what JSON has no number for', () => {
    const values = Float64Array.of(1, Number.NaN, Infinity, -Infinity, 0.1, 7)
    const column = ValueColumn.serialize({ values, present: Uint8Array.of(1, 1, 1, 1, 1, 0) })
    expect(JSON.stringify(column)).toBe('[1,"NaN","+Inf","-Inf",0.1,null]')
    expect(TimestampColumn.serialize(Float64Array.of(1, 2))).toEqual([1, 2])
    expect(() => ValueColumn.parseValue([1])).toThrow('only given')
  })

  it('of anything else are a fault of the server', () => {
    expect(() => ValueColumn.serialize([1])).toThrow('invariant')
    expect(() => TimestampColumn.serialize([1])).toThrow('invariant')
  })
})

describe('integers', () => {
  it('reach beyond 32 bits, and are nothing but integers', () => {
    expect(Timestamp.parseValue(1_700_000_000_000)).toBe(1_700_000_000_000)
    expect(Timestamp.parseValue(-1)).toBe(-1)
    expect(Count.serialize(2 ** 40)).toBe(2 ** 40)
    for (const wrong of [1.5, '1', 2 ** 53, null, Number.NaN]) expect(() => Timestamp.parseValue(wrong)).toThrow('Timestamp is an integer')
    expect(() => Count.parseValue(-1)).toThrow('Count is an integer')
  })
})
