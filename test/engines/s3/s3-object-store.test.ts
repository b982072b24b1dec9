import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { checkS3 } from '../../../src/engines/s3/check.ts'
import { S3ObjectStore } from '../../../src/engines/s3/s3-object-store.ts'
import type { S3Settings } from '../../../src/engines/s3/settings.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { FakeS3 } from './fake-s3.ts'

const SMALL = new Uint8Array([1, 2, 3])
const LARGE = new Uint8Array(20 * 2 ** 20).fill(7)

describe('S3 when answers are lost or refused', () => {
  let fake: FakeS3
  let settings: S3Settings
  let store: S3ObjectStore

  beforeEach(async () => {
    fake = new FakeS3()
    settings = await fake.listen()
    store = S3ObjectStore.open({ settings, logger: silentLogger })
  })
  afterEach(async () => {
    await store.close()
    await fake.close()
  })

  /** The first request of an operation meets `fate`, all others what they should. */
  const first = (operation: string, fate: ReturnType<FakeS3['fate']>) => {
    fake.fate = (own, nth) => (own === operation && nth === 1 ? fate : null)
  }
  const times = (operation: string) => fake.log.filter((own) => own === operation).length

  it.each(['PutObject', 'CompleteMultipartUpload'])('knows its own object again when the answer to %s was lost', async (operation) => {
    first(operation, 'lose')
    const body = operation === 'PutObject' ? SMALL : LARGE
    expect(await store.putIfAbsent('a', body)).toBe('created')
    expect([times(operation), fake.objects.get('a')?.bytes.length, fake.uploads.size]).toEqual([2, body.length, 0])
    expect(await store.putIfAbsent('a', body)).toBe('exists')
  })

  it.each(['PutObject', 'CompleteMultipartUpload'])(
    "does not take another's object for its own, equal as it is, when %s is tried again",
    async (operation) => {
      const body = operation === 'PutObject' ? SMALL : LARGE
      fake.fate = (own, nth) => {
        if (own !== operation || nth !== 1) return null
        fake.objects.set('a', { bytes: Buffer.from(body), writer: 'another one' })
        return { refuse: [503, 'SlowDown'] }
      }
      expect(await store.putIfAbsent('a', body)).toBe('exists')
      expect([times(operation), fake.uploads.size]).toEqual([2, 0])
    },
  )

  it('tries again what is throttled, fails or breaks, reads in the middle of a body too', async () => {
    await store.putIfAbsent('a', SMALL)
    for (const fate of [{ refuse: [503, 'SlowDown'] }, { refuse: [500, 'InternalError'] }, 'lose'] as const) {
      fake.log.length = 0
      fake.fate = (_, nth) => (nth <= 2 ? fate : null)
      expect(await store.read('a')).toEqual(SMALL)
      expect(times('GetObject')).toBe(3)
      expect(await store.stat('a')).toMatchObject({ bytes: 3 })
    }
  })

  it('tries again when another put of the key is under way', async () => {
    first('PutObject', { refuse: [409, 'ConditionalRequestConflict'] })
    expect(await store.putIfAbsent('a', SMALL)).toBe('created')
    fake.log.length = 0
    fake.fate = (own, nth) => {
      if (own !== 'PutObject' || nth !== 1) return null
      fake.objects.set('b', { bytes: Buffer.from('theirs'), writer: '' })
      return { refuse: [409, 'ConditionalRequestConflict'] }
    }
    expect(await store.putIfAbsent('b', SMALL)).toBe('exists')
  })

  it('gives up in the end, and says that it may be tried again', async () => {
    fake.fate = (own) => (own === 'PutObject' ? { refuse: [500, 'InternalError'] } : null)
    await expect(store.putIfAbsent('a', SMALL)).rejects.toMatchObject({ code: 'S3_UNAVAILABLE', retryable: true })
    fake.fate = (own) => (own === 'PutObject' ? { refuse: [409, 'ConditionalRequestConflict'] } : null)
    await expect(store.putIfAbsent('a', SMALL)).rejects.toMatchObject({ code: 'S3_CONFLICT', retryable: true })
    expect(fake.objects.size).toBe(0)
  })

  it('aborts an upload of which a part is refused', async () => {
    fake.fate = (own, nth) => (own === 'UploadPart' && nth === 2 ? { refuse: [403, 'AccessDenied'] } : null)
    await expect(store.putIfAbsent('a', LARGE)).rejects.toMatchObject({ code: 'S3_DENIED', retryable: false })
    expect([fake.uploads.size, fake.objects.size, times('AbortMultipartUpload')]).toEqual([0, 0, 1])
  })

  it('does not send what is there already', async () => {
    fake.objects.set('a', { bytes: Buffer.from('x'), writer: '' })
    expect(await store.putIfAbsent('a', LARGE)).toBe('exists')
    expect(fake.log).toEqual(['HeadObject'])
  })

  it('names damage in what it reads as a whole', async () => {
    await store.putIfAbsent('a', SMALL)
    await store.read('a')
    fake.objects.get('a')!.bytes[1]! ^= 1
    await expect(store.read('a')).rejects.toMatchObject({ name: 'CorruptionError', code: 'CORRUPT', retryable: false })
  })

  it('says at start-up that a store ignores conditions', async () => {
    expect(await checkS3(settings)).toEqual([])
    fake.ignoresConditions = true
    expect(await checkS3(settings)).toEqual([expect.stringContaining('the store ignores If-None-Match')])
    expect(fake.objects.size).toBe(0)
  })

  it.each([
    ['ListObjectsV2', "objects can't be listed (s3:ListBucket)"],
    ['PutObject', "an object can't be put if it is absent (s3:PutObject)"],
    ['GetObject', "an object can't be read (s3:GetObject)"],
    ['DeleteObject', "an object can't be deleted (s3:DeleteObject)"],
  ])('says at start-up that %s is not allowed', async (operation, said) => {
    fake.fate = (own) => (own === operation ? { refuse: [403, 'AccessDenied'] } : null)
    expect(await checkS3(settings)).toEqual([expect.stringContaining(said)])
    expect((await checkS3(settings))[0]).toContain('allow it to this access key')
  })

  it('says at start-up that the bucket is in another region', async () => {
    fake.fate = (own) => (own === 'HeadBucket' ? { refuse: [301, 'PermanentRedirect'] } : null)
    expect(await checkS3(settings)).toEqual([expect.stringContaining('check engines.s3.region and endpoint')])
  })
})
