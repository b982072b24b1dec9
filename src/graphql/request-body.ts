import type { IncomingMessage } from 'node:http'
import type { GraphQLError } from 'graphql'
import type { Clock } from '../domain/ports/clock.ts'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'

/** A refusal that stands for a whole HTTP request. */
export interface HttpRefusal {
  readonly status: number
  readonly error: GraphQLError
}

/** Reads a body of JSON: bounded in size, and in how long it may take to come. */
export async function readJsonBody(req: IncomingMessage, clock: Clock): Promise<{ body: unknown } | HttpRefusal> {
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(req.headers['content-type'] ?? '')) {
    return refuse(415, 'expected content-type: application/json, in UTF-8')
  }
  if ((req.headers['content-encoding'] ?? 'identity') !== 'identity') return refuse(415, 'expected a request that is not compressed')
  if (Number(req.headers['content-length'] ?? 0) > graphqlLimits.bodyBytesMax) return tooLarge()
  const bytes = await collect(req, clock)
  if ('error' in bytes) return bytes
  try {
    return { body: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) }
  } catch {
    return refuse(400, 'the body is not JSON in UTF-8')
  }
}

/** By events: to leave an iterator of the request early would cut the connection, and with it the answer. */
function collect(req: IncomingMessage, clock: Clock): Promise<Buffer | HttpRefusal> {
  const { bodyBytesMax, bodyMsMax } = graphqlLimits
  const chunks: Buffer[] = []
  let length = 0
  const settled = new AbortController()
  return new Promise((resolve) => {
    const settle = (result: Buffer | HttpRefusal) => {
      settled.abort()
      chunks.length = 0
      resolve(result)
    }
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (settled.signal.aborted) return
      if (length > bodyBytesMax) settle(tooLarge())
      else chunks.push(chunk)
    })
    req.once('end', () => settle(Buffer.concat(chunks)))
    req.once('close', () => settle(refuse(400, 'the request ended before its body was complete')))
    clock.sleep(bodyMsMax, settled.signal).then(
      () => settle(refuse(408, `the body was not complete after ${bodyMsMax} ms`)),
      () => {},
    )
  })
}

function tooLarge(): HttpRefusal {
  return refuse(413, `the request is over ${graphqlLimits.bodyBytesMax} bytes`)
}

function refuse(status: number, message: string): HttpRefusal {
  return { status, error: refusal('BAD_USER_INPUT', message) }
}
