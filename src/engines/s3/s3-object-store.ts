import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3'
import { EngineError } from '../../domain/errors.ts'
import { OBJECT_KEY_BYTES_MAX, objectKeyProblem } from '../../domain/object-key.ts'
import type { ObjectInfo, ObjectStore } from '../../domain/ports/object-store.ts'
import type { Logger } from '../../telemetry/log.ts'
import { createClient } from './s3-client.ts'
import { failureOf, isAbsence, translated } from './s3-errors.ts'
import type { S3Settings } from './settings.ts'
import { Upload } from './upload.ts'

/** Connections break in the middle of a body, where the SDK tries nothing again. */
const READ_ATTEMPTS_MAX = 3

export interface S3ObjectStoreOptions {
  readonly settings: S3Settings
  readonly logger: Logger
}

/** Objects in a bucket of S3, or of a store that speaks its language. Loading this file loads Amazon's SDK: do it where S3 is configured. */
export class S3ObjectStore implements ObjectStore {
  readonly #settings: S3Settings
  readonly #logger: Logger
  readonly #client: S3Client
  #closed = false

  private constructor({ settings, logger }: S3ObjectStoreOptions) {
    this.#settings = settings
    this.#logger = logger
    this.#client = createClient(settings)
  }

  /** Asks nothing yet: `checkS3` tells whether the bucket can be used. */
  static open(options: S3ObjectStoreOptions): S3ObjectStore {
    return new S3ObjectStore(options)
  }

  async putIfAbsent(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<'created' | 'exists'> {
    const { s3Bucket } = this.#settings
    const upload = new Upload({ client: this.#client, s3Bucket, key: this.#fullKey(key) })
    let isBodys = false
    const guarded = body instanceof Uint8Array ? body : guard(body, () => (isBodys = true))
    try {
      return await upload.run(guarded)
    } catch (error) {
      // What the body's own iteration throws is the caller's, and passes as it is.
      throw isBodys ? error : translated(s3Bucket, `object ${JSON.stringify(key)} can't be put`, error)
    }
  }

  async read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array | null> {
    const fullKey = this.#fullKey(key)
    if (range !== undefined && range.end <= range.start) return (await this.stat(key)) && new Uint8Array()
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#readOnce(fullKey, range)
      } catch (error) {
        const translatedError = translated(this.#settings.s3Bucket, `object ${JSON.stringify(key)} can't be read`, error)
        // With an answer's status the SDK has tried again itself.
        const isBroken = translatedError.retryable && failureOf(error).status === null && failureOf(error).attempts === 1
        if (!isBroken || attempt >= READ_ATTEMPTS_MAX) throw translatedError
        this.#logger.debug({ key, attempt, error: translatedError.message }, 'reading an object again')
      }
    }
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const Key = this.#fullKey(key)
    const { s3Bucket: Bucket } = this.#settings
    try {
      const found = await this.#client.send(new HeadObjectCommand({ Bucket, Key }))
      return { key, bytes: found.ContentLength ?? 0, modifiedMs: found.LastModified?.getTime() ?? 0 }
    } catch (error) {
      const what = `object ${JSON.stringify(key)} can't be looked at`
      if (!isAbsence(error)) throw translated(Bucket, what, error)
      // The answer has no body, and says the same of a missing bucket, which must not look like a missing object.
      await this.#mustHaveBucket(what)
      return null
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<readonly ObjectInfo[], void, undefined> {
    this.#mayUse()
    const { s3Bucket, prefix: own } = this.#settings
    let token: string | undefined
    do {
      const found = await this.#client
        .send(
          new ListObjectsV2Command({
            Bucket: s3Bucket,
            Prefix: own + prefix,
            // The token says where it goes on.
            ...(token === undefined ? after !== undefined && { StartAfter: own + after } : { ContinuationToken: token }),
          }),
        )
        .catch((error: unknown) => Promise.reject(translated(s3Bucket, `objects under ${JSON.stringify(prefix)} can't be listed`, error)))
      const page = (found.Contents ?? []).flatMap(({ Key, Size, LastModified }) =>
        // Some stores list folders, whose keys end in '/'. They are no objects of ours.
        Key === undefined || objectKeyProblem(Key) !== null
          ? []
          : [{ key: Key.slice(own.length), bytes: Size ?? 0, modifiedMs: LastModified?.getTime() ?? 0 }],
      )
      if (page.length > 0) yield page
      token = found.IsTruncated ? found.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async delete(key: string): Promise<void> {
    const Key = this.#fullKey(key)
    const { s3Bucket: Bucket } = this.#settings
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket, Key }))
    } catch (error) {
      if (!isAbsence(error)) throw translated(Bucket, `object ${JSON.stringify(key)} can't be deleted`, error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#client.destroy()
  }

  /** Of the whole, the SDK compares the checksum that was sent with it. */
  async #readOnce(Key: string, range: { readonly start: number; readonly end: number } | undefined): Promise<Uint8Array | null> {
    const { s3Bucket: Bucket } = this.#settings
    try {
      const found = await this.#client.send(
        new GetObjectCommand({
          Bucket,
          Key,
          ...(range === undefined ? { ChecksumMode: 'ENABLED' } : { Range: `bytes=${range.start}-${range.end - 1}` }),
        }),
      )
      const bytes = (await found.Body?.transformToByteArray()) ?? new Uint8Array()
      if (found.ContentLength !== undefined && found.ContentLength !== bytes.length) {
        throw new Error(`the answer ended after ${bytes.length} of ${found.ContentLength} bytes`)
      }
      return bytes
    } catch (error) {
      if (isAbsence(error)) return null
      // The object is there, and ends before the range begins.
      if (range !== undefined && failureOf(error).status === 416) return new Uint8Array()
      throw error
    }
  }

  async #mustHaveBucket(what: string): Promise<void> {
    const { s3Bucket: Bucket } = this.#settings
    try {
      await this.#client.send(new HeadBucketCommand({ Bucket }))
    } catch (error) {
      if (isAbsence(error)) throw translated(Bucket, what, Object.assign(new Error('there is no such bucket'), { name: 'NoSuchBucket' }))
    }
  }

  #fullKey(key: string): string {
    this.#mayUse()
    const full = this.#settings.prefix + key
    const problem =
      objectKeyProblem(key) ??
      (Buffer.byteLength(full) > OBJECT_KEY_BYTES_MAX ? `with engines.s3.prefix it has more than ${OBJECT_KEY_BYTES_MAX} bytes` : null)
    if (problem !== null) {
      throw new EngineError('OBJECT_KEY', `object key ${JSON.stringify(key)} is not possible: ${problem}`, { retryable: false })
    }
    return full
  }

  #mayUse(): void {
    if (this.#closed) throw new EngineError('S3_CLOSED', `s3 bucket ${this.#settings.s3Bucket} is closed`, { retryable: false })
  }
}

/** The same pieces; `onFailure` is called before a failure of theirs passes. */
async function* guard(body: AsyncIterable<Uint8Array>, onFailure: () => void): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const piece of body) yield piece
  } catch (error) {
    onFailure()
    throw error
  }
}
