import { compareLabels, Labels } from '../domain/labels.ts'
import { refusal } from './errors.ts'
import { graphqlLimits } from './limits.ts'
import type { PageInfo } from './schema.generated.ts'

export interface PageArguments {
  readonly first?: number | null
  readonly after?: string | null
}

export interface Connection<Node> {
  readonly edges: { readonly cursor: string; readonly node: Node }[]
  readonly nodes: Node[]
  readonly pageInfo: PageInfo
}

/**
 * How the elements of a list are ordered and how one of them is written as a cursor. A cursor is the element itself, not its place: a
 * page goes on after it even when it has gone meanwhile, or others have come before it.
 */
export interface Ordering<Key> {
  compare(a: Key, b: Key): number
  encode(key: Key): string
  /** @returns null if this is not such a cursor. */
  decode(text: string): Key | null
}

export const textOrdering: Ordering<string> = {
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  encode: (text) => text,
  decode: (text) => text,
}

export const labelsOrdering: Ordering<Labels> = {
  compare: compareLabels,
  encode: (labels) => JSON.stringify(labels.pairs),
  decode(text) {
    const pairs = parseJson(text)
    return isTexts(pairs) && pairs.length % 2 === 0 ? Labels.fromSortedPairs(pairs) : null
  },
}

/** For lists that are ordered by several texts, one after the other. */
export const textsOrdering: Ordering<readonly string[]> = {
  compare(a, b) {
    const index = a.findIndex((text, i) => text !== b[i])
    return index < 0 ? a.length - b.length : textOrdering.compare(a[index] as string, b[index] ?? '')
  },
  encode: (texts) => JSON.stringify(texts),
  decode(text) {
    const texts = parseJson(text)
    return isTexts(texts) ? texts : null
  },
}

/**
 * One page of a list that is sorted by `ordering`.
 * @throws BAD_USER_INPUT for a page size out of bounds, or a cursor of something else.
 */
export function page<Item, Key, Node>(
  sorted: readonly Item[],
  args: PageArguments,
  ordering: Ordering<Key>,
  keyOf: (item: Item) => Key,
  nodeOf: (item: Item) => Node,
): Connection<Node> {
  const first = pageSize(args)
  const start = args.after == null ? 0 : indexAfter(sorted, decodeCursor(args.after, ordering), ordering, keyOf)
  const items = sorted.slice(start, start + first)
  const nodes = items.map(nodeOf)
  const edges = items.map((item, i) => ({ cursor: encodeCursor(ordering.encode(keyOf(item))), node: nodes[i] as Node }))
  return {
    edges,
    nodes,
    pageInfo: {
      hasNextPage: start + first < sorted.length,
      hasPreviousPage: args.after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  }
}

/** @throws BAD_USER_INPUT out of its bounds */
export function pageSize(args: PageArguments): number {
  const first = args.first ?? graphqlLimits.pageSizeDefault
  if (first >= 1 && first <= graphqlLimits.pageSizeMax) return first
  throw refusal('BAD_USER_INPUT', `\`first\` is ${first}, expected 1 to ${graphqlLimits.pageSizeMax}`)
}

/** The first letter tells a cursor's version. */
function encodeCursor(text: string): string {
  return `a${Buffer.from(text, 'utf8').toString('base64url')}`
}

function decodeCursor<Key>(cursor: string, ordering: Ordering<Key>): Key {
  const text = /^a[\w-]*$/.test(cursor) ? Buffer.from(cursor.slice(1), 'base64url').toString('utf8') : null
  const key = text === null || encodeCursor(text) !== cursor ? null : ordering.decode(text)
  if (key === null) throw refusal('BAD_USER_INPUT', '`after` is not a cursor of this list')
  return key
}

/** The index of the first element that stands after `key`. */
function indexAfter<Item, Key>(sorted: readonly Item[], key: Key, ordering: Ordering<Key>, keyOf: (item: Item) => Key): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ordering.compare(keyOf(sorted[middle] as Item), key) > 0) high = middle
    else low = middle + 1
  }
  return low
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
