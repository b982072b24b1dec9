import { type DocumentNode, type FragmentDefinitionNode, type GraphQLError, Kind, type SelectionSetNode } from 'graphql'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'

/**
 * What a document may be, told before it is validated, since some rules of validation take quadratic time. Fragments count wherever
 * they are spread, and each is measured once, so that spreads of spreads can't make the measuring itself expensive.
 */
export function documentRefusal(document: DocumentNode): GraphQLError | null {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const measures = new Map<string, Measure>()
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const { depth, aliases, fields } = measure(definition.selectionSet, fragments, measures)
    if (depth > graphqlLimits.depthMax) return over('is', depth, 'levels deep', graphqlLimits.depthMax)
    if (aliases > graphqlLimits.aliasesMax) return over('has', aliases, 'aliases', graphqlLimits.aliasesMax)
    if (fields > graphqlLimits.rootFieldsMax) return over('has', fields, 'fields at its root', graphqlLimits.rootFieldsMax)
  }
  return null
}

interface Measure {
  readonly depth: number
  readonly aliases: number
  /** Of the selection set's own level. */
  readonly fields: number
}

const NOTHING: Measure = { depth: 0, aliases: 0, fields: 0 }

function measure(
  { selections }: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  measures: Map<string, Measure>,
): Measure {
  let depth = 0
  let aliases = 0
  let fields = 0
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      fields += 1
      if (selection.alias) aliases += 1
      // What stands below is the schema, whose own depth graphql-js bounds.
      const below = selection.selectionSet && !selection.name.value.startsWith('__')
      const inner = below ? measure(selection.selectionSet, fragments, measures) : NOTHING
      depth = Math.max(depth, inner.depth + 1)
      aliases += inner.aliases
      continue
    }
    const inner =
      selection.kind === Kind.INLINE_FRAGMENT
        ? measure(selection.selectionSet, fragments, measures)
        : measureFragment(selection.name.value, fragments, measures)
    depth = Math.max(depth, inner.depth)
    aliases += inner.aliases
    fields += inner.fields
  }
  return { depth, aliases, fields }
}

function measureFragment(name: string, fragments: ReadonlyMap<string, FragmentDefinitionNode>, measures: Map<string, Measure>): Measure {
  const known = measures.get(name)
  if (known) return known
  const fragment = fragments.get(name)
  if (!fragment) return NOTHING
  // A fragment that spreads itself counts as nothing here; validation refuses it.
  measures.set(name, NOTHING)
  const measured = measure(fragment.selectionSet, fragments, measures)
  measures.set(name, measured)
  return measured
}

function over(verb: string, met: number, what: string, max: number): GraphQLError {
  return refusal('TOO_COMPLEX', `the document ${verb} ${met} ${what}, expected ${max} at most`, { whole: true })
}
