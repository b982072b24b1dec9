import type { IncomingMessage } from 'node:http'
import type { GraphQLError } from 'graphql'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'

/** A refusal that stands for a whole HTTP request. */
export interface HttpRefusal {
  readonly status: number
  readonly error: GraphQLError
}

/** Reads a body of JSON: bounded in size, and in how long it may stand still. */
export async function readJsonBody(req: IncomingMessage): Promise<{ body: unknown } | HttpRefusal> {
  const { bodyBytesMax, bodyIdleMsMax } = graphqlLimits
  const tooLarge = refuse(413, `the request is over ${bodyBytesMax} bytes`)
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(req.headers['content-type'] ?? '')) {
    return refuse(415, 'expected content-type: application/json, in UTF-8')
  }
  if ((req.headers['content-encoding'] ?? 'identity') !== 'identity') return refuse(415, 'expected a request that is not compressed')
  if (Number(req.headers['content-length'] ?? 0) > bodyBytesMax) return tooLarge
  const chunks: Buffer[] = []
  let bytes = 0
  req.setTimeout(bodyIdleMsMax, () => req.destroy(new Error('the body stood still')))
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > bodyBytesMax) return tooLarge
      chunks.push(chunk)
    }
  } catch {
    return refuse(400, 'the request ended before its body was complete')
  }
  req.setTimeout(0)
  try {
    return { body: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))) }
  } catch {
    return refuse(400, 'the body is not JSON in UTF-8')
  }
}

function refuse(status: number, message: string): HttpRefusal {
  return { status, error: refusal('BAD_USER_INPUT', message) }
}
