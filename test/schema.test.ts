import { readFileSync, writeFileSync } from 'node:fs'
import { generate } from '@graphql-codegen/cli'
import { describe, expect, it } from '@jest/globals'
import {
  buildSchema,
  findBreakingChanges,
  GraphQLError,
  type GraphQLNamedType,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isSpecifiedScalarType,
  isUnionType,
  printSchema,
} from 'graphql'
import codegen from '../codegen.ts'
import { errorCode } from '../src/graphql/errors.ts'
import { createSchema, schemaUrl } from '../src/graphql/schema.ts'
import { QueryError, type QueryErrorCode } from '../src/query/query-service.ts'
import { fakeDeps } from './graphql/fakes.ts'

const contract = buildSchema(readFileSync(schemaUrl, 'utf8'))

/** As the contract stood when it was last released: what stands in it is promised. */
const released = new URL('./golden/schema.released.graphql', import.meta.url)

function ownTypes(schema: GraphQLSchema): GraphQLNamedType[] {
  return Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__') && !isSpecifiedScalarType(type))
}

describe('schema.graphql', () => {
  it('describes every type, field, argument and enum value', () => {
    const silent: string[] = []
    const check = (place: string, described: { description?: string | null }) => {
      if (!described.description?.trim()) silent.push(place)
    }
    for (const type of ownTypes(contract)) {
      check(type.name, type)
      if (isEnumType(type)) for (const value of type.getValues()) check(`${type.name}.${value.name}`, value)
      if (!isObjectType(type) && !isInputObjectType(type)) continue
      for (const field of Object.values(type.getFields())) {
        check(`${type.name}.${field.name}`, field)
        if ('args' in field) for (const argument of field.args) check(`${type.name}.${field.name}(${argument.name})`, argument)
      }
    }
    expect(silent).toEqual([])
  })

  it('has a bound on every list that can be long: a connection has first and after', () => {
    for (const type of ownTypes(contract).filter(isObjectType)) {
      for (const field of Object.values(type.getFields())) {
        if (!String(field.type).endsWith('Connection')) continue
        expect([field.name, field.args.map(({ name }) => name)]).toEqual([field.name, expect.arrayContaining(['first', 'after'])])
      }
    }
  })

  it('is what the server is built from, with a resolver for each root field and union', () => {
    const schema = createSchema(fakeDeps())
    expect(printSchema(schema)).toBe(printSchema(contract))
    for (const type of ownTypes(schema)) {
      if (isUnionType(type)) expect(type.resolveType).toBeDefined()
      if (!isObjectType(type) || !['Query', 'Mutation', 'Subscription'].includes(type.name)) continue
      for (const field of Object.values(type.getFields())) {
        expect([field.name, typeof (type.name === 'Subscription' ? field.subscribe : field.resolve)]).toEqual([field.name, 'function'])
      }
    }
  })

  it('lets each field at the root fail alone', () => {
    for (const type of [contract.getQueryType(), contract.getMutationType()]) {
      for (const field of Object.values(type?.getFields() ?? {})) {
        expect([field.name, String(field.type).endsWith('!')]).toEqual([field.name, field.name === 'server'])
      }
    }
  })

  it('breaks nothing that was promised', () => {
    if (process.env.UPDATE_RELEASED_SCHEMA) writeFileSync(released, printSchema(contract))
    expect(findBreakingChanges(buildSchema(readFileSync(released, 'utf8')), contract)).toEqual([])
  })

  it('has generated types that are those of today', async () => {
    const [output] = await generate({ ...codegen, silent: true }, false)
    expect(output?.content).toBe(readFileSync(new URL('../src/graphql/schema.generated.ts', import.meta.url), 'utf8'))
  })
})

describe('ErrorCode', () => {
  it('is documented, code by code', () => {
    const type = contract.getType('ErrorCode')
    const page = readFileSync(new URL('../docs/graphql.md', import.meta.url), 'utf8')
    for (const { name } of isEnumType(type) ? type.getValues() : []) expect(page).toContain(`| \`${name}\` |`)
  })

  it('has one for each failure of a query', () => {
    const type = contract.getType('ErrorCode')
    const codes = isEnumType(type) ? type.getValues().map(({ name }) => name) : []
    const failures: QueryErrorCode[] = [
      'bad_data',
      'execution',
      'timeout',
      'canceled',
      'limit',
      'position-timeout',
      'position-unknown',
      'unavailable',
      'internal',
    ]
    for (const failure of failures) {
      expect(codes).toContain(errorCode(new GraphQLError('x', { originalError: new QueryError(failure, 'x') })))
    }
  })
})
