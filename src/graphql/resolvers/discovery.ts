import { METRIC_NAME } from '../../domain/labels.ts'
import { limits } from '../../domain/limits.ts'
import type { TimeRange } from '../../domain/time.ts'
import type { SeriesQuery } from '../../query/query-service.ts'
import { type Connection, labelsOrdering, page, textOrdering } from '../connections.ts'
import type { GraphqlDeps } from '../deps.ts'
import { refusal } from '../errors.ts'
import { graphqlLimits } from '../limits.ts'
import type { QueryResolvers } from '../schema.generated.ts'

interface SeriesArguments {
  readonly match?: readonly string[] | null
  readonly from?: number | null
  readonly to?: number | null
  readonly minPosition?: string | null
  readonly search?: string | null
}

/** What there is: metrics, series, labels and their values. */
export function discoveryQueries({ queries }: Pick<GraphqlDeps, 'queries'>) {
  const seriesQuery = (args: SeriesArguments): SeriesQuery => {
    const match = args.match ?? []
    if (match.length > graphqlLimits.matchMax) {
      throw refusal('BAD_USER_INPUT', `\`match\` has ${match.length} selectors, expected ${graphqlLimits.matchMax} at most`)
    }
    return {
      selectors: match.map((selector) => queries.parseSelector(selector)),
      range: timeRange(args.from ?? null, args.to ?? null),
      // A page can begin anywhere, and only what was read can be skipped.
      limit: limits.querySeriesMax,
      ...(args.minPosition != null && { minPosition: args.minPosition }),
    }
  }
  return {
    async metrics(_, args, { signal }) {
      const names = await queries.labelValues(METRIC_NAME, seriesQuery(args), signal)
      return page(search(names, args), args, textOrdering, identity, (name) => ({ name }))
    },
    async series(_, args, { signal }) {
      const series = await queries.series(seriesQuery(args), signal)
      return page(series, args, labelsOrdering, identity, (labels) => ({ labels }))
    },
    async labelNames(_, args, { signal }) {
      return texts(await queries.labelNames(seriesQuery(args), signal), args)
    },
    async labelValues(_, args, { signal }) {
      return texts(await queries.labelValues(args.label, seriesQuery(args), signal), args)
    },
  } satisfies QueryResolvers
}

function texts(sorted: readonly string[], args: SeriesArguments & Parameters<typeof page>[1]): Connection<string> {
  return page(search(sorted, args), args, textOrdering, identity, identity)
}

function search(names: readonly string[], args: SeriesArguments): readonly string[] {
  if (args.search == null || args.search === '') return names
  const wanted = args.search.toLowerCase()
  return names.filter((name) => name.toLowerCase().includes(wanted))
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
