import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
} from 'graphql'

/** What reading from the store is worth, in fields of an answer. */
const ROOT_FIELD_COST = 100
/** How long lists are taken to be of which the document does not say it. */
const LIST_LENGTH = 10

/**
 * About how many fields the answer to a valid operation would have: a page counts as many times as its `first` says. It is known before
 * anything is read, so what is too dear costs nothing.
 */
export function operationCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): number {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  }
  const known = new Map<SelectionSetNode, number>()

  const selectionCost = (set: SelectionSetNode, typeName: string, root: boolean): number => {
    // A fragment's selections cost the same wherever they are spread, as their type is their own.
    const before = known.get(set)
    if (before !== undefined) return before
    const type = schema.getType(typeName)
    const fields = isObjectType(type) || isInterfaceType(type) ? type.getFields() : {}
    let cost = 0
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const field = fields[selection.name.value]
        if (field) cost += (root ? ROOT_FIELD_COST : 1) + fieldCost(selection, field)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        cost += selectionCost(selection.selectionSet, selection.typeCondition?.name.value ?? typeName, root)
      } else {
        const fragment = fragments.get(selection.name.value)
        if (fragment) cost += selectionCost(fragment.selectionSet, fragment.typeCondition.name.value, root)
      }
    }
    known.set(set, cost)
    return cost
  }

  const fieldCost = (node: FieldNode, field: GraphQLField<unknown, unknown>): number => {
    const type = getNamedType(field.type)
    if (!node.selectionSet || !isCompositeType(type)) return 0
    const below = selectionCost(node.selectionSet, type.name, false)
    const page = field.args.find(({ name }) => name === 'first')
    if (page) return below * pageSize(node, page.defaultValue, variables)
    // The elements of a page are counted with the page.
    const isElement = node.name.value === 'nodes' || node.name.value === 'edges'
    return isListField(field) && !isElement ? below * LIST_LENGTH : below
  }

  const rootType = schema.getRootType(operation.operation)
  return rootType ? selectionCost(operation.selectionSet, rootType.name, true) : 0
}

function isListField(field: GraphQLField<unknown, unknown>): boolean {
  return isListType(getNullableType(field.type))
}

function pageSize(node: FieldNode, fallback: unknown, variables: Readonly<Record<string, unknown>>): number {
  const given = node.arguments?.find(({ name }) => name.value === 'first')?.value
  const value = given?.kind === Kind.INT ? Number(given.value) : given?.kind === Kind.VARIABLE ? variables[given.name.value] : undefined
  const size = typeof value === 'number' ? value : fallback
  return typeof size === 'number' && size > 0 ? size : 1
}
