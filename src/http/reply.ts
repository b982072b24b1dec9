import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const compress = promisify(gzip)
const COMPRESSED_BYTES_MIN = 1024

/** Sends a whole body. */
export function send(response: ServerResponse, status: number, contentType: string, body: string | Uint8Array): void {
  if (response.destroyed || response.writableEnded) return
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length })
  response.end(bytes)
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text.endsWith('\n') ? text : `${text}\n`)
}

/** Sends JSON bytes, compressed when the client asked for it and it is worth it. */
export async function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: string | Uint8Array,
): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  if (bytes.length >= COMPRESSED_BYTES_MIN && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
    const packed = await compress(bytes, { level: 1 })
    response.setHeader('content-encoding', 'gzip')
    response.setHeader('vary', 'accept-encoding')
    send(response, status, 'application/json', packed)
  } else send(response, status, 'application/json', bytes)
}
