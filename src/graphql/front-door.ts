import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { CallerContext } from './context.ts'
import type { GraphqlDeps } from './deps.ts'

/** GraphQL on a listening socket that `http` owns. Who calls, and from where, `http` has checked before. */
export interface GraphqlFrontDoor {
  /** Answers GET and POST of `/graphql`. Never rejects for what a caller does. */
  handleHttp(req: IncomingMessage, res: ServerResponse, caller: CallerContext): Promise<void>
  /** Takes a WebSocket's upgrade of `/graphql`. A caller without scopes must bring a token in its first message. */
  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer, caller: CallerContext): void
  /** Ends what runs, tells sockets that the server goes. */
  close(): Promise<void>
}

/** Loads the libraries on the way, about a quarter of a second: so call it once the server listens. */
export async function createGraphqlFrontDoor(deps: GraphqlDeps): Promise<GraphqlFrontDoor> {
  const [{ createSchema }, { Documents }, { ErrorFormatter }, { HttpDoor }, { SocketDoor }] = await Promise.all([
    import('./schema.ts'),
    import('./documents.ts'),
    import('./errors.ts'),
    import('./http-door.ts'),
    import('./socket-door.ts'),
  ])
  const schema = createSchema(deps)
  const documents = new Documents(schema)
  const errors = new ErrorFormatter(deps.log, deps.random)
  const http = new HttpDoor(deps, schema, documents, errors)
  const socket = new SocketDoor(deps, schema, documents, errors)
  await http.start()
  return {
    handleHttp: (req, res, caller) => http.handle(req, res, caller),
    handleUpgrade: (req, rawSocket, head, caller) => socket.handle(req, rawSocket, head, caller),
    async close() {
      await Promise.all([http.close(), socket.close()])
    },
  }
}
