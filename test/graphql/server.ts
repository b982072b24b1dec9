import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CallerContext } from '../../src/graphql/context.ts'
import type { GraphqlDeps } from '../../src/graphql/deps.ts'
import { createGraphqlFrontDoor, type GraphqlFrontDoor } from '../../src/graphql/front-door.ts'
import { scopes } from './fakes.ts'

export interface GraphqlAnswer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly data: any
  readonly errors: { message: string; path?: (string | number)[]; extensions: { code: string; id?: string } }[]
}

/** The front door on a socket of its own, as `http` would hold it. */
export class TestServer {
  readonly door: GraphqlFrontDoor
  readonly url: string
  readonly #server: Server
  caller: CallerContext = { scopes: scopes('read', 'write'), sender: 'test' }

  private constructor(door: GraphqlFrontDoor, server: Server) {
    this.door = door
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql`
    server.on('request', (req, res) => void door.handleHttp(req, res, this.caller))
    server.on('upgrade', (req, socket, head) => door.handleUpgrade(req, socket, head, this.caller))
  }

  static async start(deps: GraphqlDeps): Promise<TestServer> {
    const door = await createGraphqlFrontDoor(deps)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new TestServer(door, server)
  }

  async query(query: string, variables: Record<string, unknown> = {}, operationName?: string): Promise<GraphqlAnswer> {
    return this.post(JSON.stringify({ query, variables, operationName }))
  }

  async post(
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ): Promise<GraphqlAnswer> {
    return read(await fetch(this.url, { method: 'POST', headers, body }))
  }

  async get(search: string, headers: Record<string, string> = {}): Promise<GraphqlAnswer> {
    return read(await fetch(`${this.url}?${search}`, { headers }))
  }

  async close(): Promise<void> {
    await this.door.close()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

async function read(response: Response): Promise<GraphqlAnswer> {
  const text = await response.text()
  const { data, errors = [] } = JSON.parse(text)
  return { status: response.status, headers: response.headers, data, errors }
}
