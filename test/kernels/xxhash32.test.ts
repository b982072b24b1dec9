import { expect, it } from '@jest/globals'
import { xxhash32 } from '../../src/kernels/xxhash32.ts'

it.each([
  ['', 0x02cc5d05],
  ['a', 0x550d7456],
  ['abc', 0x32d153ff],
  ['abcd', 0xa3643705],
  ['Nobody inspects the spammish repetition', 0xe2293b2f],
])('xxHash32 of %j is the published one', (text, hash) => {
  expect(xxhash32(Buffer.from(text))).toBe(hash)
})

it('hashes a part of the bytes as if it stood alone', () => {
  expect(xxhash32(Buffer.from('__abc__'), 0, 2, 5)).toBe(xxhash32(Buffer.from('abc')))
})
