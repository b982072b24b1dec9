import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config.ts'
import type { GraphqlDeps } from '../graphql/deps.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import type { HttpOptions } from '../http/deps.ts'

/** Requests get so long to finish when the server stops; the rest of the ten seconds is the storage's. */
export const DRAIN_MS = 4000
const PAGE_DIR = fileURLToPath(new URL('../../dist/console', import.meta.url))

/** The folder of the page's files; null when it was not built. */
export const pageDir = (): string | null => (existsSync(PAGE_DIR) ? PAGE_DIR : null)

/** What the listening socket takes from the configuration. */
export async function httpOptions(config: Config): Promise<HttpOptions> {
  const { host, port, tls, security, limits } = config
  return { host, port, tls: await readTls(tls), security: { ...security, host }, limits }
}

async function readTls(tls: Config['tls']): Promise<{ cert: string; key: string } | null> {
  if (tls === null) return null
  const [cert, key] = await Promise.all([readFile(tls.certFile, 'utf8'), readFile(tls.keyFile, 'utf8')])
  return { cert, key }
}

/** Slow to load, and not needed for the first samples and answers: so called when the server listens already. */
export async function loadGraphql(deps: Omit<GraphqlDeps, 'graphiqlHtml'>): Promise<GraphqlFrontDoor> {
  const { createGraphqlFrontDoor } = await import('../graphql/front-door.ts')
  const page = `${PAGE_DIR}/graphiql.html`
  return createGraphqlFrontDoor({ ...deps, graphiqlHtml: existsSync(page) ? await readFile(page) : null })
}

/** The address to open. */
export function addressOf(config: Config, { host, port }: { host: string; port: number }): string {
  return `${config.tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
