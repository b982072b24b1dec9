import { randomUUID } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { checkS3 } from '../../src/engines/s3/check.ts'
import { S3ObjectStore } from '../../src/engines/s3/s3-object-store.ts'
import type { S3Settings } from '../../src/engines/s3/settings.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { describeWithEngines } from '../support/engines.ts'
import { objectStoreContract } from './object-store.ts'

interface Bucket {
  readonly settings: S3Settings
  readonly client: S3Client
  remove(): Promise<void>
}

describeWithEngines(['s3'], 'the object store contract on a real S3 server', 'S3', (addresses) => {
  async function makeBucket(prefix: string): Promise<Bucket> {
    const { endpoint, region, accessKeyId, secretAccessKey } = addresses.s3
    const credentials = { accessKeyId, secretAccessKey }
    const s3Bucket = `tidemark-test-${randomUUID()}`
    const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true })
    await client.send(new CreateBucketCommand({ Bucket: s3Bucket }))
    return {
      settings: { endpoint, region, s3Bucket, prefix, pathStyle: true, credentials },
      client,
      async remove() {
        for (;;) {
          const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: s3Bucket }))
          if (Contents.length === 0) break
          await Promise.all(Contents.map(({ Key }) => client.send(new DeleteObjectCommand({ Bucket: s3Bucket, Key }))))
        }
        await client.send(new DeleteBucketCommand({ Bucket: s3Bucket }))
        client.destroy()
      },
    }
  }

  objectStoreContract('S3, with a prefix', async () => {
    const { settings, client, remove } = await makeBucket('some/where/')
    return {
      open: async () => S3ObjectStore.open({ settings, logger: silentLogger }),
      async hidden() {
        const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: settings.s3Bucket }))
        return Uploads.map(({ Key }) => Key ?? '')
      },
      // More than a page, which has 1000.
      pagedObjects: 1100,
      dispose: remove,
    }
  })

  describe('an archive on S3 at start-up', () => {
    let bucket: Bucket
    beforeAll(async () => {
      bucket = await makeBucket('')
    })
    afterAll(() => bucket?.remove())

    const calls = (settings: S3Settings) => {
      const store = S3ObjectStore.open({ settings, logger: silentLogger })
      return {
        store,
        all: [
          () => store.putIfAbsent('a', new Uint8Array(3)),
          () => store.putIfAbsent('a', new Uint8Array(9 * 2 ** 20)),
          () => store.read('a'),
          () => store.read('a', { start: 0, end: 1 }),
          () => store.stat('a'),
          async () => {
            for await (const _ of store.list('')) break
          },
          () => store.delete('a'),
        ],
      }
    }

    it('has nothing to say of a bucket that is as it should be, and leaves nothing in it', async () => {
      expect(await checkS3(bucket.settings)).toEqual([])
      expect(await checkS3({ ...bucket.settings, prefix: 'p/' })).toEqual([])
      expect((await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.settings.s3Bucket }))).KeyCount).toBe(0)
    })

    it('says that there is no such bucket', async () => {
      const settings = { ...bucket.settings, s3Bucket: `tidemark-test-${randomUUID()}` }
      expect(await checkS3(settings)).toEqual([
        `s3 bucket ${settings.s3Bucket}: there is no such bucket; make it, or name another one in engines.s3.bucket`,
      ])
      const { store, all } = calls(settings)
      for (const call of all) await expect(call()).rejects.toMatchObject({ code: 'S3_NO_BUCKET', retryable: false })
      await store.close()
    })

    it.each([
      ['secret', { secretAccessKey: 'not-the-secret' }],
      ['key', { accessKeyId: 'nobody' }],
    ])('says that a wrong %s is not accepted, and does not repeat it', async (_, wrong) => {
      const settings = { ...bucket.settings, credentials: { ...bucket.settings.credentials!, ...wrong } }
      const problems = await checkS3(settings)
      expect(problems).toEqual([expect.stringContaining('check engines.s3.access_key_id and secret_access_key')])
      expect(problems.join()).not.toContain(settings.credentials.secretAccessKey)
      const { store, all } = calls(settings)
      for (const [i, call] of all.entries()) {
        // An answer to HEAD has no body that could say why.
        const code = i === 1 || i === 4 ? expect.stringMatching(/^S3_(AUTH|DENIED)$/) : 'S3_AUTH'
        await expect(call()).rejects.toMatchObject({ code, retryable: false })
      }
      await store.close()
    })

    it('says that nobody answers', async () => {
      const settings = { ...bucket.settings, endpoint: 'http://127.0.0.1:1' }
      expect(await checkS3(settings)).toEqual([expect.stringMatching(/ECONNREFUSED.*is engines\.s3\.endpoint right, and the store up\?$/)])
      const store = S3ObjectStore.open({ settings, logger: silentLogger })
      await expect(store.read('a')).rejects.toMatchObject({ code: 'S3_UNAVAILABLE', retryable: true })
      await store.close()
    })
  })
})
