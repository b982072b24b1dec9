import { type DocumentNode, GraphQLError, type GraphQLSchema, parse, validate } from 'graphql'
import { documentRefusal } from './document-limits.ts'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'

/** A document that is within the limits, or what is wrong with it. */
export type CheckedDocument = { readonly document: DocumentNode } | { readonly errors: readonly GraphQLError[] }

/** Documents by their text: dashboards send the same ones again and again. Only good ones are kept. */
export class Documents {
  readonly #schema: GraphQLSchema
  /** Least recently used first. */
  readonly #parsed = new Map<string, DocumentNode>()
  readonly #valid = new WeakSet<DocumentNode>()

  constructor(schema: GraphQLSchema) {
    this.#schema = schema
  }

  /** Well formed and within the limits; not validated. */
  parse(text: string): CheckedDocument {
    const { documentLengthMax, documentsCachedMax, tokensMax } = graphqlLimits
    if (text.length > documentLengthMax) {
      const message = `the document has ${text.length} characters, expected ${documentLengthMax} at most`
      return { errors: [refusal('TOO_COMPLEX', message, { whole: true })] }
    }
    const known = this.#parsed.get(text)
    if (known) {
      this.#parsed.delete(text)
      this.#parsed.set(text, known)
      return { document: known }
    }
    let document: DocumentNode
    try {
      document = parse(text, { maxTokens: tokensMax })
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error
      return { errors: [syntaxRefusal(error)] }
    }
    const refused = documentRefusal(document)
    if (refused) return { errors: [refused] }
    this.#parsed.set(text, document)
    for (const oldest of this.#parsed.keys()) {
      if (this.#parsed.size <= documentsCachedMax) break
      this.#parsed.delete(oldest)
    }
    return { document }
  }

  /** Within the limits and valid by the schema. */
  validated(text: string): CheckedDocument {
    const checked = this.parse(text)
    if ('errors' in checked || this.#valid.has(checked.document)) return checked
    const errors = validate(this.#schema, checked.document)
    if (errors.length > 0) return { errors: errors.map((error) => withCode(error, 'GRAPHQL_VALIDATION_FAILED')) }
    this.#valid.add(checked.document)
    return checked
  }
}

function syntaxRefusal(error: GraphQLError): GraphQLError {
  const { tokensMax } = graphqlLimits
  return error.message.includes('tokens. Parsing aborted')
    ? refusal('TOO_COMPLEX', `the document has more than ${tokensMax} tokens: give long lists as variables`, { whole: true })
    : withCode(error, 'GRAPHQL_PARSE_FAILED')
}

function withCode(error: GraphQLError, code: 'GRAPHQL_PARSE_FAILED' | 'GRAPHQL_VALIDATION_FAILED'): GraphQLError {
  const { nodes, source, positions, path } = error
  return new GraphQLError(error.message, { nodes, source, positions, path, extensions: { code, http: { status: 400 } } })
}
