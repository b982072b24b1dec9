import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { createGunzip } from 'node:zlib'
import type { ScrapeConfig } from './config.ts'

/** A fetched page of metrics. */
export interface Page {
  readonly text: string
  readonly contentType: string | undefined
  /** Uncompressed. */
  readonly bytes: number
}

const ACCEPT = 'application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1'
const REDIRECTS_MAX = 10
/** Bound on any page where the job sets none: a target must not be able to fill our memory. */
const BODY_BYTES_MAX = 256 * 2 ** 20

/** Fetches pages for one job, with its credentials, over connections that are kept open. */
export class PageFetcher {
  readonly #job: ScrapeConfig
  readonly #userAgent: string
  readonly #http = new HttpAgent({ keepAlive: true })
  #https: HttpsAgent | null = null

  constructor(job: ScrapeConfig, userAgent: string) {
    this.#job = job
    this.#userAgent = userAgent
  }

  /** @throws Error whose message is fit for `lastError` */
  async fetch(url: URL, timeoutMs: number, signal: AbortSignal): Promise<Page> {
    const headers: Record<string, string> = {
      accept: ACCEPT,
      'user-agent': this.#userAgent,
      'x-prometheus-scrape-timeout-seconds': `${timeoutMs / 1000}`,
      ...(this.#job.enable_compression && { 'accept-encoding': 'gzip' }),
    }
    const authorization = await this.#authorization()
    if (authorization !== null) headers.authorization = authorization
    let at = url
    for (let redirects = 0; ; redirects++) {
      const response = await this.#request(at, headers, signal)
      const status = response.statusCode ?? 0
      const location = response.headers.location
      if (this.#job.follow_redirects && status >= 300 && status < 400 && location !== undefined && redirects < REDIRECTS_MAX) {
        response.resume()
        const next = new URL(location, at)
        // Credentials go only where they were meant to go.
        if (next.origin !== at.origin) delete headers.authorization
        at = next
        continue
      }
      if (status !== 200) {
        response.resume()
        throw new Error(`server returned HTTP status ${status} ${response.statusMessage ?? ''}`.trimEnd())
      }
      return await this.#read(response)
    }
  }

  close(): void {
    this.#http.destroy()
    this.#https?.destroy()
  }

  async #request(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const agent = url.protocol === 'https:' ? await this.#httpsAgent() : this.#http
    return await new Promise((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      send(url, { headers, agent, signal }, resolve).on('error', reject).end()
    })
  }

  async #read(response: IncomingMessage): Promise<Page> {
    const limit = this.#job.body_size_limit || BODY_BYTES_MAX
    const body = response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response
    if (body !== response) response.on('error', (error) => body.destroy(error))
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > limit) {
        response.destroy()
        throw new Error(`body size limit of ${limit} bytes exceeded`)
      }
      chunks.push(chunk)
    }
    return { text: Buffer.concat(chunks).toString('utf8'), contentType: response.headers['content-type'], bytes }
  }

  async #authorization(): Promise<string | null> {
    const { basic_auth: basic, authorization } = this.#job
    if (basic !== undefined) {
      const password = basic.password ?? (basic.password_file === undefined ? '' : (await readFile(basic.password_file, 'utf8')).trim())
      return `Basic ${Buffer.from(`${basic.username}:${password}`).toString('base64')}`
    }
    if (authorization === undefined) return null
    const credentials =
      authorization.credentials ??
      (authorization.credentials_file === undefined ? '' : (await readFile(authorization.credentials_file, 'utf8')).trim())
    return `${authorization.type} ${credentials}`
  }

  async #httpsAgent(): Promise<HttpsAgent> {
    if (this.#https !== null) return this.#https
    const tls = this.#job.tls_config
    const pem = async (inline: string | undefined, file: string | undefined) =>
      inline ?? (file === undefined ? undefined : await readFile(file, 'utf8'))
    this.#https = new HttpsAgent({
      keepAlive: true,
      rejectUnauthorized: !(tls?.insecure_skip_verify ?? false),
      ca: await pem(tls?.ca, tls?.ca_file),
      cert: await pem(tls?.cert, tls?.cert_file),
      key: await pem(tls?.key, tls?.key_file),
      ...(tls?.server_name !== undefined && { servername: tls.server_name }),
    })
    return this.#https
  }
}
