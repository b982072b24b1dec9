import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import {
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  type GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  subscribe,
} from 'graphql'
import { CloseCode, type Context, handleProtocols, makeServer, type Server, type SubscribePayload } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { QueryError } from '../query/query-service.ts'
import { gauge } from '../telemetry/metrics.ts'
import { abortable } from './abortable.ts'
import type { CallerContext } from './context.ts'
import type { GraphqlDeps } from './deps.ts'
import type { Documents } from './documents.ts'
import { type ErrorFormatter, refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'
import { countOperation } from './operation-metrics.ts'
import { operationRefusal, type RunningOperation, startOperation } from './operations.ts'

interface Extra {
  /** As the upgrade was authenticated; a token in the first message may change it. */
  caller: CallerContext
}

type SocketContext = Context<Record<string, unknown>, Extra>

const sockets = gauge('tidemark_graphql_sockets', 'WebSockets that are open for GraphQL.')

/**
 * GraphQL over WebSocket (`graphql-transport-ws`). Each message of an answer waits until the one before has been handed to the
 * network, so a slow reader holds up its own operations alone.
 */
export class SocketDoor {
  readonly #deps: GraphqlDeps
  readonly #schema: GraphQLSchema
  readonly #documents: Documents
  readonly #errors: ErrorFormatter
  readonly #protocol: Server<Extra>
  readonly #closing = new AbortController()
  readonly #sockets: WebSocketServer
  readonly #silent = new WeakSet<WebSocket>()
  readonly #running = new WeakMap<object, { operation: RunningOperation; startMs: number }>()

  constructor(deps: GraphqlDeps, schema: GraphQLSchema, documents: Documents, errors: ErrorFormatter) {
    this.#deps = deps
    this.#schema = schema
    this.#documents = documents
    this.#errors = errors
    this.#sockets = new WebSocketServer({
      noServer: true,
      handleProtocols: (protocols) => handleProtocols(protocols),
      maxPayload: graphqlLimits.messageBytesMax,
      // One message a turn: else thousands in one packet stall every other socket.
      allowSynchronousEvents: false,
      perMessageDeflate: false,
    })
    this.#protocol = makeServer<Record<string, unknown>, Extra>({
      connectionInitWaitTimeout: graphqlLimits.connectionInitMsMax,
      onConnect: (context) => this.#authenticate(context),
      onSubscribe: (context, _, payload) => this.#prepare(context, payload),
      execute: (args) => this.#run(args, () => execute(args)),
      subscribe: (args) => this.#run(args, () => subscribe(args)),
      onNext: (_, __, ___, ____, result) => ({ ...result, errors: result.errors?.map((error) => this.#errors.format(error)) }),
      onError: (_, __, ___, errors) => errors.map((error) => this.#errors.format(error)),
    })
    this.#keepAlive().catch(() => {})
  }

  handle(req: IncomingMessage, socket: Duplex, head: Buffer, caller: CallerContext): void {
    if (this.#closing.signal.aborted || this.#sockets.clients.size >= graphqlLimits.socketsMax) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return
    }
    this.#sockets.handleUpgrade(req, socket, head, (opened) => this.#opened(opened, caller))
  }

  async close(): Promise<void> {
    this.#closing.abort(new QueryError('unavailable', 'the server is shutting down'))
    const clients = [...this.#sockets.clients]
    for (const client of clients) client.close(1001, 'going away')
    await Promise.race([
      Promise.all(clients.map((client) => new Promise((resolve) => client.once('close', resolve)))),
      this.#deps.clock.sleep(1000),
    ])
    for (const client of clients) client.terminate()
    this.#sockets.close()
  }

  #opened(socket: WebSocket, caller: CallerContext): void {
    sockets.inc()
    const fail = (error: unknown) => {
      this.#deps.log.warn({ err: error }, 'graphql socket failed')
      socket.close(CloseCode.InternalServerError, 'internal error')
    }
    socket.on('error', (error) => this.#deps.log.debug({ err: error }, 'graphql socket closed by an error'))
    socket.on('pong', () => this.#silent.delete(socket))
    const closed = this.#protocol.opened(
      {
        protocol: socket.protocol,
        send: (data) =>
          new Promise((resolve) => {
            // Whoever has left gets nothing, and that is no error.
            if (socket.readyState === socket.OPEN) socket.send(data, () => resolve())
            else resolve()
          }),
        close: (code, reason) => socket.close(code, reason),
        onMessage: (receive) => socket.on('message', (data) => receive(String(data)).catch(fail)),
      },
      { caller },
    )
    socket.once('close', (code, reason) => {
      sockets.dec()
      closed(code, String(reason)).catch((error) => this.#deps.log.warn({ err: error }, 'graphql socket failed'))
    })
  }

  /** Who did not answer the last ping is gone. */
  async #keepAlive(): Promise<void> {
    for (;;) {
      await this.#deps.clock.sleep(graphqlLimits.keepAliveMs, this.#closing.signal)
      for (const socket of this.#sockets.clients) {
        if (this.#silent.has(socket)) socket.terminate()
        this.#silent.add(socket)
        socket.ping()
      }
    }
  }

  /** A browser can't set headers on a WebSocket, so `connection_init` may carry `{ "token": "..." }`. */
  #authenticate(context: SocketContext): boolean {
    const token = context.connectionParams?.token
    if (token === undefined) return context.extra.caller.scopes.size > 0
    const scopes = typeof token === 'string' ? this.#deps.authenticate(token, context.extra.caller.sender) : null
    if (!scopes) return false
    context.extra.caller = { scopes, sender: context.extra.caller.sender }
    return true
  }

  /** Errors are given back, never thrown: thrown ones would close the whole socket. */
  #prepare(context: SocketContext, payload: SubscribePayload): ExecutionArgs | readonly GraphQLError[] {
    const refused = (errors: readonly GraphQLError[]) => {
      countOperation('unknown', errors, null)
      return errors
    }
    const count = Object.keys(context.subscriptions).length
    if (count > graphqlLimits.operationsPerSocketMax) {
      return refused([refusal('TOO_COMPLEX', `this socket has ${count - 1} operations running, expected fewer before another`)])
    }
    const checked = this.#documents.validated(payload.query)
    if ('errors' in checked) return refused(checked.errors)
    const { document } = checked
    const operation = getOperationAST(document, payload.operationName)
    if (!operation) return refused([refusal('BAD_USER_INPUT', 'the document has several operations: expected one, or `operationName`')])
    const variables = payload.variables ?? {}
    const why = operationRefusal(this.#schema, document, operation, variables, context.extra.caller)
    if (why) return refused([why])
    const running = startOperation(this.#deps, context.extra.caller, operation.operation !== 'subscription')
    this.#running.set(running.context, { operation: running, startMs: this.#deps.clock.monotonicMs() })
    return {
      schema: this.#schema,
      document,
      operationName: payload.operationName,
      variableValues: variables,
      contextValue: running.context,
    }
  }

  /** Every result is a stream to the protocol, so that the caller's `complete` reaches a query that still runs. */
  #run(args: ExecutionArgs, start: () => ReturnType<typeof execute> | ReturnType<typeof subscribe>): AsyncGenerator<ExecutionResult> {
    const { operation, startMs } = this.#running.get(args.contextValue as object)!
    const type = getOperationAST(args.document, args.operationName)?.operation ?? 'unknown'
    return abortable(start, {
      abort: () => operation.abort(new QueryError('canceled', 'the caller has left')),
      end: (errors) => {
        operation.end()
        countOperation(type, errors, type === 'subscription' ? null : this.#deps.clock.monotonicMs() - startMs)
      },
    })
  }
}
