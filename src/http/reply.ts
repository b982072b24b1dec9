import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

const compress = promisify(gzip)
const COMPRESSED_BYTES_MIN = 1024

/** Sends a whole body; nothing when the client has left or has its answer already. */
export function send(response: ServerResponse, status: number, contentType: string, body: string | Uint8Array): void {
  if (response.destroyed || response.headersSent) return
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, { 'content-type': contentType, 'content-length': bytes.length })
  response.end(bytes)
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text.endsWith('\n') ? text : `${text}\n`)
}

/** Sends a whole body, compressed when the client asked for it and it is worth it. */
export async function sendPacked(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
): Promise<void> {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.appendHeader('vary', 'Accept-Encoding')
  if (bytes.length <= COMPRESSED_BYTES_MIN || !acceptsGzip(request)) return send(response, status, contentType, bytes)
  const packed = await compress(bytes, { level: 1 })
  if (response.headersSent) return
  response.setHeader('content-encoding', 'gzip')
  send(response, status, contentType, packed)
}

/** Whether a client asks for gzip by name: nobody is sent what it didn't ask for. */
export function acceptsGzip({ headers }: IncomingMessage): boolean {
  const match = /(?:^|,)\s*gzip\s*(?:;\s*q=([0-9.]+))?\s*(?:,|$)/i.exec(String(headers['accept-encoding'] ?? ''))
  return match !== null && Number(match[1] ?? 1) > 0
}
