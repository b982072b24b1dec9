import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from '@jest/globals'
import { decodeBody } from '../../src/ingest/decode-body.ts'
import { BadRequestError } from '../../src/ingest/errors.ts'
import { snappyCompress } from './write-request.ts'

const plain = Buffer.from('the same again '.repeat(100))

describe('a body with a content encoding', () => {
  it.each([
    [undefined, plain],
    ['', plain],
    ['identity', plain],
    ['gzip', gzipSync(plain)],
    ['X-GZIP', gzipSync(plain)],
    ['zstd', zstdCompressSync(plain)],
    ['snappy', snappyCompress(plain)],
    ['gzip, zstd', zstdCompressSync(gzipSync(plain))],
  ])('%s is undone', async (encoding, bytes) => {
    expect(Buffer.from(await decodeBody(bytes, encoding, 10_000)).equals(plain)).toBe(true)
  })

  it.each([
    ['gzip', gzipSync(Buffer.alloc(50_000_000))],
    ['zstd', zstdCompressSync(Buffer.alloc(50_000_000))],
    ['snappy', snappyCompress(Buffer.alloc(50_000))],
    ['identity', Buffer.alloc(10_001)],
  ])('%s that unpacks to more than allowed is refused', async (encoding, bytes) => {
    const error = await decodeBody(bytes, encoding, 10_000).catch((thrown) => thrown)
    expect(error).toBeInstanceOf(BadRequestError)
    expect(error).toMatchObject({ reason: 'too-large', message: expect.stringContaining('at most 10000 are allowed') })
  })

  it.each(['gzip', 'zstd', 'snappy'])('%s that it is not is refused', async (encoding) => {
    await expect(decodeBody(Uint8Array.of(200, 1, 2, 3), encoding, 10_000)).rejects.toMatchObject({
      name: 'BadRequestError',
      reason: 'malformed',
    })
  })

  it.each([
    ['br', 'content encoding "br" is not one of gzip, deflate, zstd, snappy, identity'],
    ['gzip, gzip, gzip', 'content encoding "gzip, gzip, gzip" has more than 2 steps'],
  ])('%s that is not known is refused', async (encoding, message) => {
    await expect(decodeBody(plain, encoding, 10_000)).rejects.toMatchObject({ reason: 'unsupported-encoding', message })
  })
})
