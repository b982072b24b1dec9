import { EngineError } from '../../domain/errors.ts'
import type { AppendSamples, SampleBatch, WriteResult } from '../../domain/ports/append-samples.ts'
import { encodeWriteRequest } from './write-request.ts'

/** Sends what an agent read to a Tidemark (or anything that takes remote write 1.0) over HTTP. */
export class RemoteSender implements AppendSamples {
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #timeoutMs: number

  constructor(options: { url: string; token?: string; timeoutMs: number; userAgent: string }) {
    this.#url = new URL('/api/v1/write', options.url).href
    this.#timeoutMs = options.timeoutMs
    this.#headers = {
      'content-type': 'application/x-protobuf',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '0.1.0',
      'user-agent': options.userAgent,
      ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
    }
  }

  async appendSamples(batch: SampleBatch): Promise<WriteResult> {
    const body = encodeWriteRequest(batch)
    let response: Response
    try {
      response = await fetch(this.#url, { method: 'POST', headers: this.#headers, body, signal: AbortSignal.timeout(this.#timeoutMs) })
    } catch (cause) {
      throw new EngineError('SEND_FAILED', `${this.#url} can't be reached: ${reasonOf(cause)}`, { retryable: true, cause })
    }
    const text = await response.text()
    if (response.ok) {
      return {
        acceptedSamples: batch.labels.length,
        rejectedSamples: 0,
        rejected: [],
        position: response.headers.get('x-tidemark-position') ?? '',
      }
    }
    const retryable = response.status === 429 || response.status >= 500
    throw new EngineError('SEND_REFUSED', `${this.#url} answered ${response.status}: ${text.slice(0, 500)}`, { retryable })
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error
  return cause instanceof Error ? cause.message || message : message
}
