import { randomUUID } from 'node:crypto'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { createClient } from './s3-client.ts'
import { failureOf, isAbsence, translated } from './s3-errors.ts'
import type { S3Settings } from './settings.ts'

const PROBE = 'tidemark probe\n'

interface Probe {
  readonly client: S3Client
  readonly Bucket: string
  readonly Key: string
}

/**
 * Whether a bucket can hold the archive, by trying all that the archive does with an object that is then deleted. Takes a second or so;
 * with a store that is away, until the SDK's attempts are used up.
 * @returns what is in the way, each with what to do; nothing when all is well
 */
export async function checkS3(settings: S3Settings): Promise<string[]> {
  const client = createClient(settings)
  try {
    const probe = { client, Bucket: settings.s3Bucket, Key: `${settings.prefix}.tidemark-probe/${randomUUID()}` }
    const bucket = await checkBucket(probe)
    // The rest would only say the same again.
    if (bucket !== null) return [bucket]
    return [await checkList(probe, settings.prefix), ...(await checkObject(probe))].filter((problem) => problem !== null)
  } finally {
    client.destroy()
  }
}

async function checkBucket({ client, Bucket }: Probe): Promise<string | null> {
  try {
    await client.send(new HeadBucketCommand({ Bucket }))
    return null
  } catch (error) {
    if (isAbsence(error)) return `s3 bucket ${Bucket}: there is no such bucket; make it, or name another one in engines.s3.bucket`
    // Answers to HEAD have no body, and their 403 may mean much. A listing says what it is.
    if (failureOf(error).status !== 403) return problem(Bucket, "the bucket can't be looked at", error)
    return refusal(client, Bucket)
  }
}

/** Why the bucket can't be looked at: null when only that is forbidden, which does no harm. */
async function refusal(client: S3Client, Bucket: string): Promise<string | null> {
  try {
    await client.send(new ListObjectsV2Command({ Bucket, MaxKeys: 1 }))
    return null
  } catch (error) {
    return failureOf(error).name === 'AccessDenied' ? null : problem(Bucket, "the bucket can't be used", error)
  }
}

async function checkList({ client, Bucket }: Probe, Prefix: string): Promise<string | null> {
  try {
    await client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }))
    return null
  } catch (error) {
    return problem(Bucket, "objects can't be listed (s3:ListBucket)", error)
  }
}

async function checkObject(probe: Probe): Promise<string[]> {
  const { client, Bucket, Key } = probe
  const object = { Bucket, Key }
  try {
    await client.send(new PutObjectCommand({ ...object, Body: PROBE, IfNoneMatch: '*' }))
  } catch (error) {
    return [problem(Bucket, "an object can't be put if it is absent (s3:PutObject)", error)]
  }
  const problems: string[] = []
  const conditional = await checkCondition(probe)
  if (conditional !== null) problems.push(conditional)
  try {
    const met = await (await client.send(new GetObjectCommand(object))).Body?.transformToString()
    if (met !== PROBE && conditional === null) problems.push(`s3 bucket ${Bucket}: an object that was put is read with other bytes`)
  } catch (error) {
    problems.push(problem(Bucket, "an object can't be read (s3:GetObject)", error))
  }
  try {
    await client.send(new DeleteObjectCommand(object))
  } catch (error) {
    problems.push(problem(Bucket, `an object can't be deleted (s3:DeleteObject); ${Key} stays`, error))
  }
  return problems
}

async function checkCondition({ client, Bucket, Key }: Probe): Promise<string | null> {
  try {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: 'another one\n', IfNoneMatch: '*' }))
    return (
      `s3 bucket ${Bucket}: the store ignores If-None-Match: a second put of the same key was not refused, so two writers could replace ` +
      'what the other has written; use a store with conditional writes (Amazon S3, MinIO, Ceph, versitygw), or a newer version of this one'
    )
  } catch (error) {
    return failureOf(error).status === 412 ? null : problem(Bucket, 'a put of a key that is there is not refused as it should be', error)
  }
}

function problem(s3Bucket: string, what: string, error: unknown): string {
  return translated(s3Bucket, what, error).message
}
