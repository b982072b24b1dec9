import type { DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationTypeNode } from 'graphql'
import { QueryError } from '../query/query-service.ts'
import { AnswerBudget } from './answer-budget.ts'
import type { CallerContext, OperationContext, Scope } from './context.ts'
import type { GraphqlDeps } from './deps.ts'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'
import { createMetadataLoader } from './metadata-loader.ts'
import { operationCost } from './operation-cost.ts'

const scopeNeeded: Record<`${OperationTypeNode}`, Scope> = { query: 'read', mutation: 'write', subscription: 'read' }

/** Why a valid operation is not even begun; null: it may be. */
export function operationRefusal(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
  caller: CallerContext,
): GraphQLError | null {
  const scope = scopeNeeded[operation.operation]
  if (caller.scopes.size === 0) return refusal('UNAUTHENTICATED', 'a token is needed', { whole: true })
  if (!caller.scopes.has(scope)) return refusal('FORBIDDEN', `this needs a token with the scope \`${scope}\``, { whole: true })
  const cost = operationCost(schema, document, operation, variables)
  if (cost <= graphqlLimits.costMax) return null
  const message = `the operation would cost about ${cost}, expected ${graphqlLimits.costMax} at most: ask for less at once`
  return refusal('TOO_COMPLEX', message, { whole: true })
}

export interface RunningOperation {
  readonly context: OperationContext
  /** The caller has left, or the server goes. */
  abort(reason: Error): void
  /** To be called when the answer is complete. */
  end(): void
}

/** Starts an operation's time. `timed`: a subscription has no end. */
export function startOperation(deps: Pick<GraphqlDeps, 'clock' | 'metadata'>, caller: CallerContext, timed = true): RunningOperation {
  const controller = new AbortController()
  const ended = new AbortController()
  if (timed) {
    deps.clock.sleep(graphqlLimits.operationMsMax, ended.signal).then(
      () => controller.abort(new QueryError('timeout', `the operation took longer than ${graphqlLimits.operationMsMax} ms`)),
      () => {},
    )
  }
  return {
    context: {
      scopes: caller.scopes,
      sender: caller.sender,
      signal: controller.signal,
      metadata: createMetadataLoader(deps.metadata),
      budget: new AnswerBudget(),
    },
    abort: (reason) => controller.abort(reason),
    end: () => ended.abort(new Error('the operation has ended')),
  }
}
