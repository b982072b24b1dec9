import { randomUUID } from 'node:crypto'
import { crc32 } from 'node:zlib'
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { EngineError } from '../../domain/errors.ts'
import { failureOf, isAbsence } from './s3-errors.ts'

export const PART_BYTES = 8 * 2 ** 20
const PARTS_MAX = 10_000
/** At once, of one upload: so much of it is in memory. */
const PARTS_IN_FLIGHT_MAX = 4
/** How often a put that met another one of the same key tries again. */
const CONFLICTS_MAX = 5
/** User metadata in which a put leaves its random number, and knows its own work again. */
const WRITER = 'tidemark-put'

export interface UploadTarget {
  readonly client: S3Client
  readonly s3Bucket: string
  /** With the settings' prefix. */
  readonly key: string
}

type Outcome = 'created' | 'exists'

/**
 * One put of an object that must not be there yet. `If-None-Match: *` makes the store decide; this class is about answers that get lost:
 *
 * - A request is tried again when its answer didn't come, and is then refused (412) perhaps because of its own first try. So every put
 *   carries a random number in the object's metadata: the object that is there has ours, or it is somebody else's, even with equal bytes.
 * - A 409 says that another put of this key is under way: it is tried again, until one of them stands.
 *
 * What is longer than a part goes up in parts, which no one sees before the upload is completed. Whatever goes wrong aborts it, or its
 * parts would stay, invisible and paid for.
 */
export class Upload {
  readonly #client: S3Client
  readonly #object: { readonly Bucket: string; readonly Key: string }
  readonly #writer = randomUUID()

  constructor({ client, s3Bucket, key }: UploadTarget) {
    this.#client = client
    this.#object = { Bucket: s3Bucket, Key: key }
  }

  /** Rejects with the SDK's errors, EngineErrors, and what the body's iteration throws. */
  async run(body: Uint8Array | AsyncIterable<Uint8Array>): Promise<Outcome> {
    const parts = body instanceof Uint8Array ? slices(body) : partsOf(body)
    try {
      const first = (await parts.next()).value ?? new Uint8Array()
      const second = first.length < PART_BYTES ? undefined : (await parts.next()).value
      if (second === undefined) return await this.#putWhole(first)
      // What is large is not sent for nothing.
      if ((await this.#whose()) !== null) return 'exists'
      return await this.#putInParts([first, second], parts)
    } finally {
      await parts.return()
    }
  }

  #putWhole(bytes: Uint8Array): Promise<Outcome> {
    return this.#conditionally(() =>
      this.#client.send(
        new PutObjectCommand({
          ...this.#object,
          Body: bytes,
          ContentLength: bytes.length,
          IfNoneMatch: '*',
          ChecksumCRC32: base64(crc32(bytes)),
          Metadata: { [WRITER]: this.#writer },
        }),
      ),
    )
  }

  async #putInParts(first: readonly Uint8Array[], rest: AsyncGenerator<Uint8Array, void, undefined>): Promise<Outcome> {
    const { UploadId } = await this.#client.send(
      new CreateMultipartUploadCommand({
        ...this.#object,
        ChecksumAlgorithm: 'CRC32',
        ChecksumType: 'FULL_OBJECT',
        Metadata: { [WRITER]: this.#writer },
      }),
    )
    const own = { ...this.#object, UploadId }
    const sent = new PartsInFlight()
    try {
      let crc = 0
      const send = async (Body: Uint8Array) => {
        crc = crc32(Body, crc)
        const ChecksumCRC32 = base64(crc32(Body))
        await sent.add(async (PartNumber) => {
          const { ETag } = await this.#client.send(
            new UploadPartCommand({ ...own, PartNumber, Body, ContentLength: Body.length, ChecksumCRC32 }),
          )
          return { PartNumber, ETag, ChecksumCRC32 }
        })
      }
      for (const part of first) await send(part)
      for await (const part of rest) await send(part)
      const Parts = await sent.all()
      const outcome = await this.#conditionally(() =>
        this.#client.send(
          new CompleteMultipartUploadCommand({
            ...own,
            IfNoneMatch: '*',
            ChecksumType: 'FULL_OBJECT',
            ChecksumCRC32: base64(crc),
            MultipartUpload: { Parts: [...Parts] },
          }),
        ),
      )
      if (outcome === 'exists') await this.#abort(own)
      return outcome
    } catch (error) {
      // A part that arrives after the abort would stay.
      await sent.settled()
      await this.#abort(own)
      throw error
    }
  }

  /** Runs a request with `If-None-Match: *`, and finds out what became of it. */
  async #conditionally(request: () => Promise<unknown>): Promise<Outcome> {
    for (let conflicts = 0; ; conflicts++) {
      try {
        await request()
        return 'created'
      } catch (error) {
        const { name, status, attempts } = failureOf(error)
        // An upload whose completion got lost is unknown when it is completed again.
        const isTold = status === 412 || status === 409 || name === 'NoSuchUpload'
        if (!isTold) throw error
        if (status === 412 && attempts === 1 && conflicts === 0) return 'exists'
        const whose = await this.#whose()
        if (whose !== null) return whose === this.#writer ? 'created' : 'exists'
        if (status === 404 || conflicts >= CONFLICTS_MAX) throw conflict(this.#object, error)
        await new Promise((resolve) => setTimeout(resolve, 20 * 2 ** conflicts * (1 + Math.random())))
      }
    }
  }

  /** The number that the writer of the object left; '' where it left none; null when there is no object. */
  async #whose(): Promise<string | null> {
    try {
      return (await this.#client.send(new HeadObjectCommand(this.#object))).Metadata?.[WRITER] ?? ''
    } catch (error) {
      if (isAbsence(error)) return null
      throw error
    }
  }

  async #abort(own: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
    try {
      await this.#client.send(new AbortMultipartUploadCommand(own))
    } catch {
      // It is gone, or the store is: then a lifecycle rule has to clear it away, as deploy/README.md says.
    }
  }
}

/** Parts of an upload on their way, a bounded number of them. */
class PartsInFlight {
  readonly #parts: Promise<CompletedPart>[] = []
  readonly #inFlight = new Set<Promise<CompletedPart>>()

  /** Resolves when there is room for another one. Rejects when one of them has failed. */
  async add(send: (partNumber: number) => Promise<CompletedPart>): Promise<void> {
    if (this.#parts.length >= PARTS_MAX) {
      throw new EngineError('S3_TOO_LARGE', `the object is larger than ${PARTS_MAX} parts of ${PART_BYTES} bytes`, { retryable: false })
    }
    const part = send(this.#parts.length + 1)
    this.#parts.push(part)
    this.#inFlight.add(part)
    // Its failure is met below, or at the end; it must not count as one that nobody handles meanwhile.
    part.then(
      () => this.#inFlight.delete(part),
      () => {},
    )
    while (this.#inFlight.size >= PARTS_IN_FLIGHT_MAX) await Promise.race(this.#inFlight)
  }

  all(): Promise<readonly CompletedPart[]> {
    return Promise.all(this.#parts)
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#parts)
  }
}

async function* slices(body: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < body.length; at += PART_BYTES) yield body.subarray(at, at + PART_BYTES)
}

/** Pieces of any size as parts of `PART_BYTES`, the last one shorter. Every part has memory of its own. */
async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let part = new Uint8Array(PART_BYTES)
  let filled = 0
  for await (const piece of body) {
    for (let at = 0; at < piece.length; ) {
      const count = Math.min(piece.length - at, PART_BYTES - filled)
      part.set(piece.subarray(at, at + count), filled)
      at += count
      filled += count
      if (filled < PART_BYTES) continue
      yield part
      part = new Uint8Array(PART_BYTES)
      filled = 0
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}

function base64(crc: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc)
  return bytes.toString('base64')
}

function conflict({ Bucket, Key }: { Bucket: string; Key: string }, cause: unknown): EngineError {
  return new EngineError('S3_CONFLICT', `s3 bucket ${Bucket}: another upload of ${JSON.stringify(Key)} was in the way: put it again`, {
    retryable: true,
    cause,
  })
}
