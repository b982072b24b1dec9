import { readdirSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'

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

/** The built page: listed at start, read when asked, names with a hash cached for ever. */
export class PageFiles {
  readonly #dir: string | null
  readonly #names = new Set<string>()

  constructor(dir: string | null) {
    this.#dir = dir
    if (dir === null) return
    for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) this.#names.add(`/${join(entry.parentPath, entry.name).slice(dir.length + 1)}`)
    }
  }

  /** @returns false when there is no such file */
  serve(path: string, response: ServerResponse): boolean {
    const name = path === '/' ? '/index.html' : path
    if (this.#dir === null || !this.#names.has(name)) {
      if (path !== '/') return false
      this.#send(response, 'html', Buffer.from(NOT_BUILT), false)
      return true
    }
    this.#send(response, name.split('.').at(-1) ?? '', readFileSync(join(this.#dir, name)), name.startsWith('/assets/'))
    return true
  }

  #send(response: ServerResponse, extension: string, bytes: Buffer, immutable: boolean): void {
    response.writeHead(200, {
      'content-type': TYPES[extension] ?? 'application/octet-stream',
      'content-length': bytes.length,
      'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
      'content-security-policy': CSP,
      'referrer-policy': 'no-referrer',
    })
    response.end(bytes)
  }
}
