import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { decodeSnappy, SnappyError } from '../../src/kernels/snappy.ts'
import { snappyCompress, snappyLiteral } from '../ingest/write-request.ts'

const decode = (block: readonly number[] | Uint8Array) => decodeSnappy(Uint8Array.from(block), 2 ** 20)
const ascii = (text: string) => [...Buffer.from(text, 'latin1')]

describe('a snappy block', () => {
  it.each([
    ['nothing', [0], ''],
    ['a short literal', [5, 4 << 2, ...ascii('hello')], 'hello'],
    ['a literal with one length byte', [61, 60 << 2, 60, ...ascii('x'.repeat(61))], 'x'.repeat(61)],
    ['a literal with two length bytes', [0xac, 2, 61 << 2, 0x2b, 1, ...ascii('y'.repeat(300))], 'y'.repeat(300)],
    ['a literal with three length bytes', [3, 62 << 2, 2, 0, 0, ...ascii('abc')], 'abc'],
    ['a literal with four length bytes', [3, 63 << 2, 2, 0, 0, 0, ...ascii('abc')], 'abc'],
    ['a copy with an 11-bit offset', [12, 3 << 2, ...ascii('abcd'), 1 | (4 << 2), 4], 'abcdabcdabcd'],
    ['a copy with a 16-bit offset', [9, 2 << 2, ...ascii('abc'), 2 | (5 << 2), 3, 0], 'abcabcabc'],
    ['a copy with a 32-bit offset', [9, 2 << 2, ...ascii('abc'), 3 | (5 << 2), 3, 0, 0, 0], 'abcabcabc'],
    ['a run of one byte', [65, 0, ...ascii('z'), 2 | (63 << 2), 1, 0], 'z'.repeat(65)],
  ])('of %s is decoded', (_, block, text) => {
    expect(Buffer.from(decode(block)).toString('latin1')).toBe(text)
  })

  it('gives back what was compressed', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .array(fc.constantFrom('host-1', 'host-2', 'region', '=', 'aaaaaaaaaaaaa'), { maxLength: 400 })
        .map((words) => Buffer.from(words.join(''))),
    )
    fc.assert(
      fc.property(bytes, (plain) => {
        expect(Buffer.from(decode(snappyCompress(plain))).equals(plain)).toBe(true)
        expect(Buffer.from(decode(snappyLiteral(plain))).equals(plain)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['no bytes', [], 'declared length is cut short or too long at byte 0'],
    ['a length of six bytes', [0x80, 0x80, 0x80, 0x80, 0x80, 1], 'declared length is cut short or too long at byte 0'],
    ['a length over 32 bits', [0xff, 0xff, 0xff, 0xff, 0x7f], 'declared length is over 32 bits at byte 0'],
    ['2 GiB declared', [0x80, 0x80, 0x80, 0x80, 0x08], 'declared length of 2147483648 bytes, at most 1048576 are allowed at byte 0'],
    ['a cut literal', [5, 4 << 2, 1, 2], 'literal of 5 bytes, 2 are left at byte 1'],
    ['a cut literal length', [5, 61 << 2, 1], /^snappy: literal of \d+ bytes, 0 are left at byte 1$/],
    ['a copy from before the beginning', [8, 3 << 2, ...ascii('abcd'), 1 | (0 << 2), 5], 'copy from 5 bytes back, 4 are there at byte 6'],
    ['a copy from here', [8, 3 << 2, ...ascii('abcd'), 1 | (0 << 2), 0], 'copy from 0 bytes back, 4 are there at byte 6'],
    ['a cut copy', [8, 3 << 2, ...ascii('abcd'), 2], 'copy is cut short at byte 6'],
    ['more than it declared', [2, 2 << 2, ...ascii('abc')], 'more output than declared at byte 1'],
    ['a copy of more than it declared', [5, 3 << 2, ...ascii('abcd'), 1 | (0 << 2), 4], 'more output than declared at byte 6'],
    ['less than it declared', [4, 2 << 2, ...ascii('abc')], '3 bytes decoded, 4 declared at byte 5'],
  ])('with %s is refused', (_, block, message) => {
    expect(() => decode(block)).toThrow(SnappyError)
    expect(() => decode(block)).toThrow(message)
  })

  it('fails only with a SnappyError, whatever the bytes', () => {
    const start = snappyCompress(Buffer.from('the quick brown fox jumps over the quick brown dog '.repeat(5)))
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(start.length - 1), fc.nat(255)), { maxLength: 5 }), fc.nat(start.length), (changes, length) => {
        const block = start.slice(0, length)
        for (const [at, byte] of changes) if (at < length) block[at] = byte
        try {
          decode(block)
        } catch (error) {
          if (!(error instanceof SnappyError)) throw error
        }
      }),
      { numRuns: 2000 },
    )
  })
})
