import { readFileSync } from 'node:fs'
import { makeExecutableSchema } from '@graphql-tools/schema'
import { type GraphQLSchema, Kind, parse } from 'graphql'
import { invariant } from '../stdx/invariant.ts'
import type { GraphqlDeps } from './deps.ts'
import { createResolvers } from './resolvers/resolvers.ts'

/** The contract, at the root of the project; the same way from `src/graphql` and from `dist/graphql`. */
export const schemaUrl = new URL('../../schema.graphql', import.meta.url)

/** Every field of the contract with what resolves it. @throws when a resolver stands for a field that is not in the contract */
export function createSchema(deps: GraphqlDeps): GraphQLSchema {
  const typeDefs = parse(readFileSync(schemaUrl, 'utf8'))
  const schema = makeExecutableSchema({
    typeDefs,
    resolvers: createResolvers(deps),
    resolverValidationOptions: { requireResolversToMatchSchema: 'error', requireResolversForResolveType: 'error' },
  })
  // A scalar that is handed in as a resolver takes the place of the contract's, whose description would be lost with it.
  for (const definition of typeDefs.definitions) {
    if (definition.kind !== Kind.SCALAR_TYPE_DEFINITION) continue
    const type = schema.getType(definition.name.value)
    invariant(type, `scalar ${definition.name.value} is in the schema`)
    type.description = definition.description?.value
  }
  return schema
}
