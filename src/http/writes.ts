import type { IncomingMessage, ServerResponse } from 'node:http'
import { EngineError } from '../domain/errors.ts'
import type { WriteResult } from '../domain/ports/append-samples.ts'
import { decodeBody } from '../ingest/decode-body.ts'
import { BadRequestError } from '../ingest/errors.ts'
import { type BodyReader, BodyRefused } from './body.ts'
import type { HttpLimits, WriteDeps } from './deps.ts'
import { send, sendText } from './reply.ts'

const RETRY_AFTER_SECONDS = '1'
const BAD_REQUEST_STATUS = { malformed: 400, 'too-large': 413, 'unsupported-encoding': 415 } as const

/** The two ways in: remote write 1.0 and JSON. 2xx only when the log holds it durably. */
export class Writes {
  readonly #deps: WriteDeps
  readonly #limits: HttpLimits
  readonly #bodies: BodyReader

  constructor(deps: WriteDeps, limits: HttpLimits, bodies: BodyReader) {
    this.#deps = deps
    this.#limits = limits
    this.#bodies = bodies
  }

  async remoteWrite(request: IncomingMessage, response: ServerResponse, sender: string): Promise<void> {
    const type = request.headers['content-type'] ?? 'application/x-protobuf'
    const encoding = request.headers['content-encoding'] ?? 'snappy'
    if (encoding.toLowerCase() !== 'snappy')
      return sendText(response, 415, `content encoding ${JSON.stringify(encoding)} is not taken here: send snappy`)
    const problem = messageProblem(type)
    await this.#take(
      request,
      response,
      async (body) => {
        if (problem === null) return this.#deps.ingest.writeRemote(body, sender)
        // As Prometheus has it: what is no snappy at all is malformed, whatever it says it is.
        await decodeBody(body, 'snappy', this.#limits.decompressedBytesMax)
        throw new BadRequestError(problem, 'unsupported-encoding')
      },
      (result) => {
        response.setHeader('x-prometheus-remote-write-samples-written', result.acceptedSamples)
        if (result.rejectedSamples === 0) {
          response.writeHead(204)
          response.end()
        } else sendText(response, 400, rejectionText(result))
      },
    )
  }

  async jsonPush(request: IncomingMessage, response: ServerResponse, sender: string): Promise<void> {
    const type = (request.headers['content-type'] ?? '').split(';')[0].trim().toLowerCase()
    if (type !== 'application/json')
      return sendText(response, 415, `content type ${JSON.stringify(type)} is not taken here: send application/json`)
    const write = async (body: Uint8Array) =>
      this.#deps.ingest.pushJson(await decodeBody(body, request.headers['content-encoding'], this.#limits.decompressedBytesMax), sender)
    await this.#take(request, response, write, (result) => {
      const status = result.rejectedSamples > 0 && result.acceptedSamples === 0 ? 400 : 200
      send(response, status, 'application/json', JSON.stringify(result))
    })
  }

  async #take(
    request: IncomingMessage,
    response: ServerResponse,
    write: (body: Uint8Array) => Promise<WriteResult>,
    answer: (result: WriteResult) => void,
  ): Promise<void> {
    try {
      const result = await this.#bodies.read(request, write)
      response.setHeader('x-tidemark-position', result.position)
      answer(result)
    } catch (error) {
      this.#refuse(response, error)
    }
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (error instanceof BodyRefused) {
      if (error.status === 429) response.setHeader('retry-after', RETRY_AFTER_SECONDS)
      // Who is that slow is not waited for any longer.
      if (error.status === 408) response.setHeader('connection', 'close')
      sendText(response, error.status, error.message)
    } else if (error instanceof BadRequestError) sendText(response, BAD_REQUEST_STATUS[error.reason], error.message)
    else if (error instanceof EngineError && error.retryable) {
      response.setHeader('retry-after', RETRY_AFTER_SECONDS)
      sendText(response, error.code === 'LOG_BUSY' ? 429 : 503, error.message)
    } else {
      this.#deps.logger.error({ error: String(error) }, 'a write failed')
      sendText(response, 500, 'the write failed for a reason of our own; it is in the log of the server')
    }
  }
}

function messageProblem(type: string): string | null {
  const [media, ...parameters] = type.split(';').map((part) => part.trim())
  if (media.toLowerCase() !== 'application/x-protobuf')
    return `content type ${JSON.stringify(type)} is not taken here: send application/x-protobuf`
  const proto = parameters.find((parameter) => parameter.toLowerCase().startsWith('proto='))?.slice(6)
  if (proto !== undefined && proto !== 'prometheus.WriteRequest')
    return `message ${proto} is not taken here: send remote write 1.0 (prometheus.WriteRequest)`
  return null
}

/** What was refused, by name; the rest is stored. */
function rejectionText(result: WriteResult): string {
  const lines = result.rejected.map(
    ({ series, reason, message, samples }) => `${series}: ${reason}: ${message} (${samples} ${samples === 1 ? 'sample' : 'samples'})`,
  )
  return [`${result.rejectedSamples} samples were refused, ${result.acceptedSamples} were stored:`, ...lines].join('\n')
}
