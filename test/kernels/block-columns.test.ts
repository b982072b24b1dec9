import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { COLUMN_INTEGER_MAX, ColumnEncoder, ColumnMode, decodeColumn, PLANES } from '../../src/kernels/block-columns.ts'

interface Written {
  readonly numbers: Float64Array
  readonly mode: ColumnMode
  readonly bytes: number
  readonly widths: readonly number[]
}

/** Writes a column behind `before`, and reads it again. */
function roundTrip(numbers: Float64Array, before: Float64Array = new Float64Array(70).map((_, i) => (i * 7919) % 1000)): Written {
  const encoder = new ColumnEncoder()
  encoder.encode(before, before.length)
  const starts = Uint32Array.from({ length: PLANES }, (_, p) => encoder.planes[p].length)
  const widthsStart = encoder.widths.length
  const bytesBefore = encoder.bytes
  encoder.encode(numbers, numbers.length)
  const out = new Float64Array(numbers.length).fill(Number.NaN)
  const planes = encoder.planes.map((plane) => plane.view())
  decodeColumn(encoder.meta, numbers.length, encoder.widths.view(), planes, { starts, widthsStart }, out)
  return {
    numbers: out,
    mode: encoder.meta.mode,
    bytes: encoder.bytes - bytesBefore,
    widths: [...encoder.widths.view().subarray(widthsStart)],
  }
}

const column = (count: number, number: (i: number) => number) => Float64Array.from({ length: count }, (_, i) => number(i))

/** The steps that the encoder samples are all 2^51, those between reach -1.5 x 2^52: their zigzag is no exact integer. */
function misleading(): Float64Array {
  const count = 721
  const numbers = new Float64Array(count).fill(1 - COLUMN_INTEGER_MAX)
  for (let j = 0; j < 31; j++) {
    const i = 1 + Math.floor((j * (count - 1)) / 31)
    numbers[i] = COLUMN_INTEGER_MAX
    if (i > 1) numbers[i - 1] = 0
  }
  return numbers
}

describe('a column of whole numbers', () => {
  it('is exact at the ends of its range, wherever the sampled steps mislead', () => {
    const numbers = misleading()
    expect(roundTrip(numbers).numbers).toEqual(numbers)
  })

  it('is exact for jumps between the ends of its range', () => {
    const ends = [COLUMN_INTEGER_MAX, -COLUMN_INTEGER_MAX, 0, 1 - COLUMN_INTEGER_MAX, COLUMN_INTEGER_MAX - 1, -1]
    const number = fc.oneof(fc.constantFrom(...ends), fc.integer({ min: -COLUMN_INTEGER_MAX, max: COLUMN_INTEGER_MAX }))
    const pieces = fc.array(fc.tuple(number, fc.integer({ min: 1, max: 40 }), fc.integer({ min: -3, max: 3 })), {
      minLength: 1,
      maxLength: 40,
    })
    fc.assert(
      fc.property(pieces, (all) => {
        const clamp = (value: number) => Math.max(-COLUMN_INTEGER_MAX, Math.min(COLUMN_INTEGER_MAX, value))
        const numbers = Float64Array.from(
          all.flatMap(([from, count, step]) => Array.from({ length: count }, (_, i) => clamp(from + i * step))),
        )
        expect(roundTrip(numbers).numbers).toEqual(numbers)
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['a regular grid takes no planes', column(720, (i) => 1_790_000_000_000 + 10_000 * i), ColumnMode.delta, 12],
    [
      'a grid with jitter takes a byte a number',
      column(720, (i) => 1_790_000_000_000 + 10_000 * i + ((i * 37) % 11) - 5),
      ColumnMode.delta,
      12 + 719,
    ],
    ['a constant takes no planes', column(720, () => 42), ColumnMode.delta, 12],
    ['multiples of 4096 are divided first', column(720, (i) => 4096 * (10 ** 6 + ((i * i) % 97))), ColumnMode.level, 12 + 719],
  ])('%s', (_name, numbers, mode, bytes) => {
    const written = roundTrip(numbers)
    expect(written.numbers).toEqual(numbers)
    expect([written.mode, written.bytes]).toEqual([mode, bytes])
  })

  it('widens one mini-block for one outlier', () => {
    const numbers = column(1 + 64 * 5, (i) => i * 3 + ((i * i) % 5))
    const plain = roundTrip(numbers)
    numbers[1 + 64 * 2 + 10] = 2 ** 40
    const { numbers: read, widths } = roundTrip(numbers)
    expect(read).toEqual(numbers)
    expect(widths.map((width, block) => width - plain.widths[block])).toEqual([0, 0, 5, 0, 0])
  })

  it.each([1, 2, 64, 65, 66, 129])('of %i numbers is read beside others', (count) => {
    const numbers = column(count, (i) => (i % 2 === 0 ? 1 : -1) * 2 ** (i % 50))
    expect(roundTrip(numbers).numbers).toEqual(numbers)
  })
})
