import { readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { acceptsGzip } from './reply.ts'

const compress = promisify(gzip)
const COMPRESSIBLE: ReadonlySet<string> = new Set(['html', 'js', 'css', 'svg', 'json', 'map', 'ttf'])

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
  ttf: 'font/ttf',
  json: 'application/json',
  map: 'application/json',
}

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const NOT_BUILT =
  '<!doctype html><title>Tidemark</title><p>Tidemark runs. Its page was not built: run <code>npm run build</code> and start again. <a href="/graphql">GraphQL</a>, <a href="/metrics">metrics</a>.\n'

/** One file as it is sent. */
interface PageFile {
  readonly plain: Uint8Array
  /** null: not worth it. */
  readonly packed: Uint8Array | null
}

/** The built page: listed at start, each file read and packed when it is first asked for, names with a hash cached for ever. */
export class PageFiles {
  readonly #dir: string | null
  readonly #names = new Set<string>()
  readonly #files = new Map<string, Promise<PageFile>>()

  constructor(dir: string | null) {
    this.#dir = dir
    if (dir === null) return
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) this.#names.add(`/${join(entry.parentPath, entry.name).slice(join(dir, '/').length)}`)
    }
  }

  /** @returns false when there is no such file */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const name = path === '/' ? '/index.html' : path
    if (this.#dir === null || !this.#names.has(name)) {
      if (path !== '/') return false
      send(request, response, 'html', { plain: Buffer.from(NOT_BUILT), packed: null }, false)
      return true
    }
    const file = this.#files.get(name) ?? load(join(this.#dir, name))
    this.#files.set(name, file)
    try {
      send(request, response, extensionOf(name), await file, name.startsWith('/assets/'))
    } catch (error) {
      this.#files.delete(name)
      throw error
    }
    return true
  }
}

async function load(path: string): Promise<PageFile> {
  const plain = await readFile(path)
  return { plain, packed: COMPRESSIBLE.has(extensionOf(path)) ? await compress(plain) : null }
}

function extensionOf(path: string): string {
  return path.split('.').at(-1) ?? ''
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  extension: string,
  { plain, packed }: PageFile,
  immutable: boolean,
): void {
  if (response.destroyed) return
  const isPacked = packed !== null && acceptsGzip(request)
  const bytes = isPacked ? packed : plain
  response.appendHeader('vary', 'Accept-Encoding')
  response.writeHead(200, {
    'content-type': TYPES[extension] ?? 'application/octet-stream',
    'content-length': bytes.length,
    ...(isPacked && { 'content-encoding': 'gzip' }),
    'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    'content-security-policy': CSP,
    'referrer-policy': 'no-referrer',
    'x-frame-options': 'DENY',
  })
  response.end(bytes)
}
