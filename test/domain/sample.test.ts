import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareSampleBits } from '../../src/domain/sample.ts'

function bits(value: number): [number, number] {
  const words = new Uint32Array(new Float64Array([value]).buffer)
  return [words[1], words[0]]
}

const STALE: [number, number] = [0x7ff00000, 2]
const anyBits = fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 0, max: 0xffffffff }))

describe('the winner of two samples at one time', () => {
  const cases: [string, [number, number], [number, number]][] = [
    ['a number beats NaN', bits(-1e300), [0x7ff80000, 1]],
    ['NaN beats a staleness marker', [0x7ff80000, 1], STALE],
    ['0 beats -0', bits(0), bits(-0)],
    ['the greater number wins', bits(2), bits(1)],
    ['less negative wins', bits(-1), bits(-2)],
    ['+Inf beats all numbers', bits(Infinity), bits(Number.MAX_VALUE)],
  ]
  it.each(cases)('%s', (_name, winner, loser) => {
    expect(compareSampleBits(...winner, ...loser)).toBeGreaterThan(0)
    expect(compareSampleBits(...loser, ...winner)).toBeLessThan(0)
  })

  it('is a total order: antisymmetric, transitive, 0 only for equal bits', () => {
    fc.assert(
      fc.property(anyBits, anyBits, anyBits, (a, b, c) => {
        const ab = Math.sign(compareSampleBits(...a, ...b))
        expect(ab).toBe(-Math.sign(compareSampleBits(...b, ...a)) + 0)
        if (ab === 0) expect(a).toEqual(b)
        if (ab > 0 && compareSampleBits(...b, ...c) > 0) expect(compareSampleBits(...a, ...c)).toBeGreaterThan(0)
      }),
    )
  })
})
