import type { IncomingMessage, ServerResponse } from 'node:http'
import { ApolloServer, type ApolloServerPlugin, HeaderMap } from '@apollo/server'
import {
  ApolloServerPluginInlineTraceDisabled,
  ApolloServerPluginLandingPageDisabled,
  ApolloServerPluginSchemaReportingDisabled,
  ApolloServerPluginUsageReportingDisabled,
} from '@apollo/server/plugin/disabled'
import { GraphQLError, type GraphQLSchema } from 'graphql'
import { QueryError } from '../query/query-service.ts'
import type { CallerContext, OperationContext } from './context.ts'
import type { GraphqlDeps } from './deps.ts'
import type { Documents } from './documents.ts'
import type { ErrorFormatter } from './errors.ts'
import { refusal } from './errors.ts'
import { graphiqlHeaders } from './graphiql.ts'
import { graphqlLimits } from './limits.ts'
import { countOperation } from './operation-metrics.ts'
import { operationRefusal, type RunningOperation, startOperation } from './operations.ts'
import { readJsonBody } from './request-body.ts'

/** GraphQL over HTTP: POST of JSON, GET with a header that no form can send, and GraphiQL for browsers. */
export class HttpDoor {
  readonly #deps: GraphqlDeps
  readonly #documents: Documents
  readonly #errors: ErrorFormatter
  readonly #apollo: ApolloServer<OperationContext>
  /** Requests that are being answered: how each is ended early, and its end. */
  readonly #running = new Map<(reason: Error) => void, Promise<void>>()
  #closing = false

  constructor(deps: GraphqlDeps, schema: GraphQLSchema, documents: Documents, errors: ErrorFormatter) {
    this.#deps = deps
    this.#documents = documents
    this.#errors = errors
    this.#apollo = new ApolloServer<OperationContext>({
      schema,
      introspection: true,
      csrfPrevention: true,
      allowBatchedHttpRequests: false,
      persistedQueries: false,
      includeStacktraceInErrorResponses: false,
      stopOnTerminationSignals: false,
      nodeEnv: 'production',
      parseOptions: { maxTokens: graphqlLimits.tokensMax },
      // Apollo's own words can hold a document, and documents can hold what is not for a log.
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => deps.log.error('graphql request failed') },
      formatError: (_, error) =>
        errors.format(error instanceof GraphQLError ? error : new GraphQLError('', { originalError: asError(error) })),
      plugins: [
        // Nothing of these is ever to speak to an outside address, whatever the environment holds.
        ApolloServerPluginUsageReportingDisabled(),
        ApolloServerPluginSchemaReportingDisabled(),
        ApolloServerPluginInlineTraceDisabled(),
        ApolloServerPluginLandingPageDisabled(),
        guardAndCount(deps),
      ],
    })
  }

  async start(): Promise<void> {
    await this.#apollo.start()
  }

  async handle(req: IncomingMessage, res: ServerResponse, caller: CallerContext): Promise<void> {
    if (req.method === 'GET' && this.#deps.graphiqlHtml && (req.headers.accept ?? '').includes('text/html')) {
      return send(res, 200, graphiqlHeaders, this.#deps.graphiqlHtml)
    }
    if (this.#closing) return this.#refuse(req, res, 503, [refusal('UNAVAILABLE', 'the server is shutting down')])
    const search = new URL(req.url ?? '/', 'http://localhost').search
    if (search.length > graphqlLimits.urlLengthMax)
      return this.#refuse(req, res, 414, [refusal('BAD_USER_INPUT', 'the URL is too long: use POST')])
    const read = req.method === 'POST' ? await readJsonBody(req, this.#deps.clock) : { body: undefined }
    if ('error' in read) return this.#refuse(req, res, read.status, [read.error])
    const text = req.method === 'POST' ? textOf(read.body) : new URLSearchParams(search).get('query')
    if (typeof text === 'string') {
      const checked = this.#documents.parse(text)
      if ('errors' in checked) {
        countOperation('unknown', checked.errors, null)
        return this.#refuse(req, res, 400, checked.errors)
      }
    }
    const operation = startOperation(this.#deps, caller)
    const answered = this.#execute(req, res, operation, search, read.body).finally(() => {
      this.#running.delete(operation.abort)
      operation.end()
    })
    this.#running.set(operation.abort, answered)
    await answered
  }

  async #execute(req: IncomingMessage, res: ServerResponse, operation: RunningOperation, search: string, body: unknown): Promise<void> {
    res.once('close', () => {
      if (!res.writableFinished) operation.abort(new QueryError('canceled', 'the caller has left'))
    })
    const answer = await this.#apollo.executeHTTPGraphQLRequest({
      httpGraphQLRequest: { method: req.method ?? 'GET', headers: headerMap(req), search, body },
      context: async () => operation.context,
    })
    const text = answer.body.kind === 'complete' ? answer.body.string : ''
    send(res, answer.status ?? 200, Object.fromEntries(answer.headers), Buffer.from(text, 'utf8'))
  }

  /** What is being answered gets a while to end by itself. */
  async close(): Promise<void> {
    this.#closing = true
    const drained = new AbortController()
    await Promise.race([
      Promise.allSettled(this.#running.values()),
      this.#deps.clock.sleep(graphqlLimits.drainMsMax, drained.signal).catch(() => {}),
    ])
    drained.abort(new Error('nothing runs any more'))
    const last = [...this.#running]
    for (const [abort] of last) abort(new QueryError('unavailable', 'the server is shutting down'))
    await Promise.allSettled(last.map(([, answered]) => answered))
    await this.#apollo.stop()
  }

  #refuse(req: IncomingMessage, res: ServerResponse, status: number, errors: readonly GraphQLError[]): void {
    const type = (req.headers.accept ?? '').includes('application/graphql-response+json')
      ? 'application/graphql-response+json'
      : 'application/json'
    const body = JSON.stringify({ errors: errors.map((error) => this.#errors.format(error)) })
    // What is left of a body that is not read to its end makes the connection useless.
    const headers = { 'content-type': `${type}; charset=utf-8`, ...(!req.complete && { connection: 'close' }) }
    send(res, status, headers, Buffer.from(body, 'utf8'))
  }
}

function guardAndCount({ clock }: GraphqlDeps): ApolloServerPlugin<OperationContext> {
  return {
    async requestDidStart() {
      const startMs = clock.monotonicMs()
      return {
        async didResolveOperation({ schema, document, operation, request, contextValue }) {
          if (!operation) return
          if (operation.operation === 'subscription') {
            throw refusal('BAD_USER_INPUT', 'subscriptions need a WebSocket with the subprotocol graphql-transport-ws', { whole: true })
          }
          const refused = operationRefusal(schema, document, operation, request.variables ?? {}, contextValue)
          if (refused) throw refused
        },
        async willSendResponse({ operation, errors }) {
          countOperation(operation?.operation ?? 'unknown', errors, clock.monotonicMs() - startMs)
        },
      }
    },
  }
}

function send(res: ServerResponse, status: number, headers: Readonly<Record<string, string>>, body: Uint8Array): void {
  if (res.destroyed) return
  res.writeHead(status, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', ...headers, 'content-length': body.length })
  res.end(body)
}

function headerMap(req: IncomingMessage): HeaderMap {
  const headers = new HeaderMap()
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value)
  }
  return headers
}

function textOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'query' in body ? body.query : null
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
