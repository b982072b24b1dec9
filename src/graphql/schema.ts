import { readFileSync } from 'node:fs'
import { makeExecutableSchema } from '@graphql-tools/schema'
import type { GraphQLSchema } from 'graphql'
import type { GraphqlDeps } from './deps.ts'
import { createResolvers } from './resolvers/resolvers.ts'

/** The contract, at the root of the project; the same way from `src/graphql` and from `dist/graphql`. */
export const schemaUrl = new URL('../../schema.graphql', import.meta.url)

/** Every field of the contract with what resolves it. @throws when a resolver stands for a field that is not in the contract */
export function createSchema(deps: GraphqlDeps): GraphQLSchema {
  return makeExecutableSchema({
    typeDefs: readFileSync(schemaUrl, 'utf8'),
    resolvers: createResolvers(deps),
    resolverValidationOptions: { requireResolversToMatchSchema: 'error', requireResolversForResolveType: 'error' },
  })
}
