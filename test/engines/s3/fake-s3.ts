import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'
import type { S3Settings } from '../../../src/engines/s3/settings.ts'

interface Held {
  bytes: Buffer
  readonly writer: string
}

interface Request {
  readonly operation: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** What becomes of a request: `refuse` it with a status and a code, do it and lose the answer (`lose`), or as it should be (null). */
export type Fate = { readonly refuse: readonly [status: number, code: string] } | 'lose' | null

/** As much of an S3 server as the engine uses, with one bucket, that can be told to do wrong. Signatures are not looked at. */
export class FakeS3 {
  readonly objects = new Map<string, Held>()
  readonly uploads = new Map<string, { readonly key: string; readonly writer: string; readonly parts: Map<number, Buffer> }>()
  /** Operations as they came, refused ones too. */
  readonly log: string[] = []
  fate: (operation: string, nth: number) => Fate = () => null
  ignoresConditions = false
  readonly #server = createServer((request, response) => void this.#serve(request, response))
  #uploads = 0

  async listen(): Promise<S3Settings> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    // It listens on TCP: its address is one of those.
    const { port } = this.#server.address() as AddressInfo
    const credentials = { accessKeyId: 'id', secretAccessKey: 'secret' }
    return { endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', s3Bucket: 'b', prefix: '', pathStyle: true, credentials }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const url = new URL(request.url ?? '', 'http://s3')
    const key = decodeURIComponent(url.pathname).replace(/^\/b\/?/, '')
    const operation = operationOf(request.method ?? '', key, url.searchParams)
    this.log.push(operation)
    const fate = this.fate(operation, this.log.filter((own) => own === operation).length)
    if (fate !== null && fate !== 'lose') return this.#refuse(response, ...fate.refuse)
    const own = { operation, key, query: url.searchParams, headers: request.headers, body: Buffer.concat(chunks) }
    if (fate !== 'lose') return this.#answer(own, response)
    this.#answer(own, null)
    const held = this.objects.get(key)
    if (operation !== 'GetObject' || held === undefined) return void response.destroy()
    // In the middle of its body.
    response.writeHead(200, { 'content-length': held.bytes.length })
    response.write(held.bytes.subarray(0, 1), () => response.destroy())
  }

  /** @param response null: done, and nobody is told */
  #answer({ operation, key, query, headers, body }: Request, response: ServerResponse | null): void {
    const held = this.objects.get(key)
    const upload = this.uploads.get(query.get('uploadId') ?? '')
    const writer = String(headers['x-amz-meta-tidemark-put'] ?? '')
    const isRefused = headers['if-none-match'] === '*' && held !== undefined && !this.ignoresConditions
    switch (operation) {
      case 'PutObject':
        if (isRefused) return void this.#refuse(response, 412, 'PreconditionFailed')
        this.objects.set(key, { bytes: body, writer })
        return void response?.end()
      case 'CreateMultipartUpload': {
        const id = `upload-${++this.#uploads}`
        this.uploads.set(id, { key, writer, parts: new Map() })
        return void response?.end(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
      }
      case 'UploadPart':
        if (upload === undefined) return void this.#refuse(response, 404, 'NoSuchUpload')
        upload.parts.set(Number(query.get('partNumber')), body)
        return void response?.setHeader('etag', `"${crc32(body)}"`).end()
      case 'CompleteMultipartUpload': {
        if (isRefused) return void this.#refuse(response, 412, 'PreconditionFailed')
        if (upload === undefined) return void this.#refuse(response, 404, 'NoSuchUpload')
        const numbers = [...upload.parts.keys()].sort((a, b) => a - b)
        this.objects.set(key, { bytes: Buffer.concat(numbers.map((own) => upload.parts.get(own)!)), writer: upload.writer })
        this.uploads.delete(query.get('uploadId') ?? '')
        return void response?.end('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
      }
      case 'AbortMultipartUpload':
        this.uploads.delete(query.get('uploadId') ?? '')
        return void response?.writeHead(204).end()
      case 'DeleteObject':
        this.objects.delete(key)
        return void response?.writeHead(204).end()
      case 'HeadObject':
      case 'GetObject':
        if (held === undefined) return void this.#refuse(response, 404, 'NoSuchKey')
        response?.setHeader('x-amz-meta-tidemark-put', held.writer).setHeader('x-amz-checksum-crc32', checksums.get(held) ?? sealed(held))
        return void (operation === 'GetObject' ? response?.end(held.bytes) : response?.setHeader('content-length', held.bytes.length).end())
      case 'ListObjectsV2':
        return void response?.end('<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>')
      default:
        return void response?.end()
    }
  }

  #refuse(response: ServerResponse | null, status: number, code: string): void {
    response?.writeHead(status, { 'content-type': 'application/xml' }).end(`<Error><Code>${code}</Code><Message>no</Message></Error>`)
  }
}

/** Of the bytes as they were when they were first looked at, as the store would have kept it. */
const checksums = new WeakMap<Held, string>()
function sealed(held: Held): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(crc32(held.bytes))
  checksums.set(held, bytes.toString('base64'))
  return bytes.toString('base64')
}

function operationOf(method: string, key: string, query: URLSearchParams): string {
  const isUpload = query.has('uploadId')
  if (key === '') return method === 'HEAD' ? 'HeadBucket' : 'ListObjectsV2'
  if (method === 'POST') return query.has('uploads') ? 'CreateMultipartUpload' : 'CompleteMultipartUpload'
  if (method === 'PUT') return isUpload ? 'UploadPart' : 'PutObject'
  if (method === 'DELETE') return isUpload ? 'AbortMultipartUpload' : 'DeleteObject'
  return method === 'HEAD' ? 'HeadObject' : 'GetObject'
}
