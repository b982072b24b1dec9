import { METRIC_NAME } from '../../domain/labels.ts'
import { limits } from '../../domain/limits.ts'
import type { TimeRange } from '../../domain/time.ts'
import type { SeriesQuery } from '../../query/query-service.ts'
import { type Connection, labelsOrdering, type Ordering, type PageArguments, page, pageSize, textOrdering } from '../connections.ts'
import type { GraphqlDeps } from '../deps.ts'
import { refusal } from '../errors.ts'
import { graphqlLimits } from '../limits.ts'
import type { QueryResolvers } from '../schema.generated.ts'

interface DiscoveryArguments extends PageArguments {
  readonly match?: readonly string[] | null
  readonly from?: number | null
  readonly to?: number | null
  readonly minPosition?: string | null
  readonly search?: string | null
}

/** What there is: metrics, series, labels and their values. */
export function discoveryQueries({ queries }: Pick<GraphqlDeps, 'queries'>) {
  const seriesQuery = (args: DiscoveryArguments): Omit<SeriesQuery, 'limit'> => {
    const match = args.match ?? []
    if (match.length > graphqlLimits.matchMax) {
      throw refusal('BAD_USER_INPUT', `\`match\` has ${match.length} selectors, expected ${graphqlLimits.matchMax} at most`)
    }
    return {
      selectors: match.map((selector) => queries.parseSelector(selector)),
      range: timeRange(args.from ?? null, args.to ?? null),
      ...(args.minPosition != null && { minPosition: args.minPosition }),
    }
  }
  const values = (label: string, args: DiscoveryArguments, signal: AbortSignal) => {
    const query = seriesQuery(args)
    return pageOf(args, textOrdering, async (limit) => queries.labelValues(label, { ...query, limit }, signal))
  }
  return {
    async metrics(_, args, { signal }) {
      const { edges, nodes, pageInfo } = await values(METRIC_NAME, args, signal)
      const metric = (name: string) => ({ name })
      return { edges: edges.map(({ cursor, node }) => ({ cursor, node: metric(node) })), nodes: nodes.map(metric), pageInfo }
    },
    async series(_, args, { signal }) {
      const query = seriesQuery(args)
      const { edges, nodes, pageInfo } = await pageOf(args, labelsOrdering, (limit) => queries.series({ ...query, limit }, signal))
      return {
        edges: edges.map(({ cursor, node }) => ({ cursor, node: { labels: node } })),
        nodes: nodes.map((labels) => ({ labels })),
        pageInfo,
      }
    },
    async labelNames(_, args, { signal }) {
      const query = seriesQuery(args)
      return pageOf(args, textOrdering, (limit) => queries.labelNames({ ...query, limit }, signal))
    },
    labelValues: (_, args, { signal }) => values(args.label, args, signal),
  } satisfies QueryResolvers
}

/** How many are read at first where a page may begin anywhere, and by how much more each time that they don't reach far enough. */
const FIRST_READ = 4_096
const READ_GROWTH = 8

/**
 * A page of a list that can be read from its beginning alone: as much of it as the page needs is read, in a few growing steps, so that
 * the first pages of a long list are cheap.
 * @param read the list's first elements, at most so many, in order
 */
async function pageOf<Item>(
  args: DiscoveryArguments,
  ordering: Ordering<Item>,
  read: (limit: number) => Promise<readonly Item[]>,
): Promise<Connection<Item>> {
  const first = pageSize(args)
  const anywhere = args.after != null || (args.search ?? '') !== ''
  let limit = anywhere ? FIRST_READ : first + 1
  for (;;) {
    const items = await read(limit)
    const found = page(search(items, args), args, ordering, identity, identity)
    if (items.length < limit || found.pageInfo.hasNextPage) return found
    if (limit >= limits.querySeriesMax) {
      throw refusal('QUERY_LIMIT', `the list is longer than ${limits.querySeriesMax}, and the page lies beyond: narrow it with \`match\``)
    }
    limit = Math.min(limit * READ_GROWTH, limits.querySeriesMax)
  }
}

function search<Item>(items: readonly Item[], args: DiscoveryArguments): readonly Item[] {
  if (args.search == null || args.search === '') return items
  const wanted = args.search.toLowerCase()
  return items.filter((item) => String(item).toLowerCase().includes(wanted))
}

function timeRange(from: number | null, to: number | null): TimeRange | null {
  if (from === null && to === null) return null
  const range = { startMs: from ?? Number.MIN_SAFE_INTEGER, endMs: to ?? Number.MAX_SAFE_INTEGER }
  if (range.startMs >= range.endMs)
    throw refusal('BAD_USER_INPUT', `\`from\` is ${from} and \`to\` is ${to}, expected \`from\` before \`to\``)
  return range
}

function identity<T>(value: T): T {
  return value
}
