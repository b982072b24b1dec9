import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { mergePieces, type Piece, upperBound } from '../../../src/projections/series/merge.ts'

function piece(samples: [number, number][], unordered = false): Piece {
  return { times: Float64Array.from(samples, ([time]) => time), values: Float64Array.from(samples, ([, value]) => value), unordered }
}

function samplesOf(columns: { times: Float64Array; values: Float64Array }): [number, number][] {
  return Array.from(columns.times, (time, i) => [time, columns.values[i]])
}

describe('merging pieces of one series', () => {
  it('joins pieces that follow each other, in whatever order they come', () => {
    expect(
      samplesOf(
        mergePieces([
          piece([[30, 3]]),
          piece([
            [10, 1],
            [20, 2],
          ]),
        ]),
      ),
    ).toEqual([
      [10, 1],
      [20, 2],
      [30, 3],
    ])
  })

  it('keeps one sample a time: the greater number', () => {
    expect(
      samplesOf(
        mergePieces([
          piece([
            [10, 1],
            [20, 5],
          ]),
          piece([
            [20, 7],
            [30, 3],
          ]),
        ]),
      ),
    ).toEqual([
      [10, 1],
      [20, 7],
      [30, 3],
    ])
  })

  it('sorts a piece that came out of order', () => {
    expect(
      samplesOf(
        mergePieces([
          piece(
            [
              [20, 2],
              [10, 1],
              [20, 2],
            ],
            true,
          ),
        ]),
      ),
    ).toEqual([
      [10, 1],
      [20, 2],
    ])
  })

  it('keeps the bits of a staleness marker', () => {
    const values = new Float64Array(2)
    new Uint32Array(values.buffer).set([2, 0x7ff00000, 0, 0x3ff00000])
    const merged = mergePieces([
      { times: Float64Array.from([10, 20]), values, unordered: false },
      piece([
        [5, 1],
        [15, 2],
      ]),
    ])
    const bits = new Uint32Array(merged.values.buffer, merged.values.byteOffset, 8)
    expect([...merged.times]).toEqual([5, 10, 15, 20])
    expect([bits[2], bits[3]]).toEqual([2, 0x7ff00000])
  })

  it('gives the same whatever way the samples are cut into pieces and ordered', () => {
    const samples = fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: -3, max: 3 })), { maxLength: 60 })
    fc.assert(
      fc.property(samples, fc.infiniteStream(fc.integer({ min: 1, max: 7 })), (all, cuts) => {
        const expected = new Map<number, number>()
        for (const [time, value] of all) expected.set(time, Math.max(expected.get(time) ?? Number.NEGATIVE_INFINITY, value))
        const pieces: Piece[] = []
        for (let at = 0; at < all.length; ) {
          const length = cuts.next().value as number
          pieces.push(piece(all.slice(at, at + length), true))
          at += length
        }
        // As in the head: a piece out of order is sorted before it is merged with others.
        const merged = mergePieces(pieces.map((one) => ({ ...mergePieces([one]), unordered: false })))
        expect(samplesOf(merged)).toEqual([...expected].sort((a, b) => a[0] - b[0]))
      }),
    )
  })
})

describe('upperBound', () => {
  it.each([
    [5, 0],
    [10, 1],
    [15, 1],
    [30, 3],
    [31, 3],
  ])('finds the first time after %d', (time, index) => {
    expect(upperBound(Float64Array.from([10, 20, 30]), time)).toBe(index)
  })
})
