import { limits } from '../domain/limits.ts'
import { MINUTE_MS, SECOND_MS } from '../domain/time.ts'

/**
 * Bounds of the GraphQL front door. GraphQL runs on the thread that takes samples, so no document may keep it busy: what a query reads
 * is bounded by `query`, what a document asks for and what an answer holds is bounded here.
 */
export const graphqlLimits = {
  /** The request. */
  bodyBytesMax: 8 * 2 ** 20,
  urlLengthMax: 16 * 2 ** 10,
  bodyMsMax: MINUTE_MS,

  /** The document. The introspection query of GraphiQL has about 350 tokens; what stands below `__schema` is not counted as depth. */
  documentLengthMax: 64 * 2 ** 10,
  tokensMax: 2_000,
  depthMax: 10,
  aliasesMax: 30,
  rootFieldsMax: 20,
  costMax: 20_000,
  documentsCachedMax: 200,

  /** Arguments. */
  matchMax: 100,
  pageSizeDefault: 100,
  pageSizeMax: 1_000,

  /** The answer to one operation, all its fields together. */
  answerSeriesDefault: 1_000,
  answerSeriesMax: 10_000,
  answerPointsMax: 1_000_000,

  /** pushSamples. */
  pushSeriesMax: 10_000,
  pushSamplesMax: 50_000,
  idempotencyKeyLengthMax: 256,

  /** One operation, from its start to its answer; a subscription has no end. */
  operationMsMax: limits.queryTimeoutMs + limits.minPositionWaitMsMax,

  /** How long operations may still run when the server stops. */
  drainMsMax: 4 * SECOND_MS,

  /** WebSockets. */
  socketsMax: 1_000,
  operationsPerSocketMax: 50,
  messageBytesMax: 2 ** 20,
  connectionInitMsMax: 5 * SECOND_MS,
  keepAliveMs: 15 * SECOND_MS,
  statusIntervalMsMin: 250,
  statusIntervalMsMax: MINUTE_MS,
  /** Subscribers of the server's state share what is not older than this. */
  statusSharedMs: 100,
} as const
