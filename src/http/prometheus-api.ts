import { hostname } from 'node:os'
import { formatDuration } from '../domain/duration.ts'
import type { Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { TargetStatus } from '../domain/ports/target-view.ts'
import type { TimeRange } from '../domain/time.ts'
import { expressionTree } from '../query/expression-tree.ts'
import { QueryError } from '../query/query-service.ts'
import { ApiError, apiErrorOf } from './api-error.ts'
import { buildInfo, runtimeInfo, tsdbStatus } from './api-status.ts'
import type { HttpDeps, HttpLimits, QueryDeps } from './deps.ts'
import { invalid, type Parameters } from './parameters.ts'

/** One question to the API. */
export interface ApiRequest {
  readonly parameters: Parameters
  /** From the header `X-Tidemark-Min-Position`. */
  readonly minPosition: string | undefined
  readonly signal: AbortSignal
}

/** A JSON body, or the `data` of a successful one, with what is said beside it. */
export type ApiAnswer = { readonly body: Uint8Array } | { readonly data: unknown; readonly warnings?: readonly string[] }

export interface ApiRoute {
  readonly methods: readonly ('GET' | 'POST')[]
  readonly handle: (request: ApiRequest, name: string) => Promise<ApiAnswer>
}

const POINTS_MAX = 11_000

/** All that is below /api/v1 and reads. A route's path may end in `/*` before `/values`: the label's name. */
export function prometheusApi(deps: QueryDeps, limits: HttpLimits): ReadonlyMap<string, ApiRoute> {
  const both = ['GET', 'POST'] as const
  const get = ['GET'] as const
  const route = (methods: ApiRoute['methods'], handle: ApiRoute['handle']): ApiRoute => ({ methods, handle })
  const fixed = (data: unknown) => route(get, async () => ({ data }))
  return new Map<string, ApiRoute>([
    ['query', route(both, (request) => instant(deps, request))],
    ['query_range', route(both, (request) => range(deps, request))],
    ['labels', route(both, (request) => labelNames(deps, request))],
    ['label/*/values', route(get, (request, name) => labelValues(deps, request, name))],
    ['series', route(both, (request) => series(deps, request))],
    ['metadata', route(get, (request) => metadata(deps, request))],
    ...targetsApi(deps),
    ['rules', route(get, (request) => rules(deps, request))],
    ['alerts', fixed({ alerts: [] })],
    ['alertmanagers', fixed({ activeAlertmanagers: [], droppedAlertmanagers: [] })],
    ['query_exemplars', route(both, (request) => exemplars(deps, request))],
    ['format_query', route(both, (request) => formatQuery(deps, request))],
    ['parse_query', route(both, async ({ parameters }) => ({ data: parse(parameters) }))],
    ['status/buildinfo', fixed(buildInfo(deps.version))],
    ['status/runtimeinfo', route(get, async () => ({ data: runtimeInfo(deps, limits) }))],
    ['status/flags', fixed({})],
    ['status/config', fixed({ yaml: '' })],
    ['status/tsdb', route(get, (request) => tsdbStatus(deps, request))],
    ['status/walreplay', fixed({ min: 0, max: 0, current: 0, state: 'done' })],
  ])
}

/** What a process that collects tells of it, whether or not it answers queries too. */
export function targetsApi(deps: HttpDeps): ReadonlyMap<string, ApiRoute> {
  const pools = () => [...new Set((deps.targets?.targets() ?? []).map((target) => target.scrapePool))].sort()
  return new Map<string, ApiRoute>([
    ['targets', { methods: ['GET'], handle: (request) => targets(deps, request) }],
    ['targets/metadata', { methods: ['GET'], handle: async () => ({ data: [] }) }],
    ['scrape_pools', { methods: ['GET'], handle: async () => ({ data: { scrapePools: pools() } }) }],
  ])
}

async function instant(deps: QueryDeps, { parameters, minPosition, signal }: ApiRequest): Promise<ApiAnswer> {
  const limit = parameters.limit()
  const timeMs = parameters.optionalTime('time') ?? deps.clock.nowMs()
  const query = { expr: parameters.get('query'), timeMs, minPosition, ...options(parameters) }
  return { body: await deps.queries.instantJson(query, { limit, stats: stats(parameters) }, signal) }
}

async function range(deps: QueryDeps, { parameters, minPosition, signal }: ApiRequest): Promise<ApiAnswer> {
  const limit = parameters.limit()
  const startMs = parameters.time('start')
  const endMs = parameters.time('end')
  if (endMs < startMs) throw invalid('end', 'end timestamp must not be before start time')
  const stepMs = parameters.duration('step')
  if (stepMs <= 0) throw invalid('step', 'zero or negative query resolution step widths are not accepted. Try a positive integer')
  if (Math.floor((endMs - startMs) / stepMs) > POINTS_MAX) {
    throw new ApiError(
      'bad_data',
      'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    )
  }
  const query = { expr: parameters.get('query'), startMs, endMs, stepMs, minPosition, ...options(parameters) }
  return { body: await deps.queries.rangeJson(query, { limit, stats: stats(parameters) }, signal) }
}

function options(parameters: Parameters): { timeoutMs?: number; lookbackMs?: number } {
  const timeoutMs = parameters.timeout()
  const lookbackMs = parameters.lookback()
  return { ...(timeoutMs !== undefined && { timeoutMs }), ...(lookbackMs !== undefined && { lookbackMs }) }
}

function stats(parameters: Parameters): '' | 'true' | 'all' {
  const text = parameters.get('stats')
  return text === '' ? '' : text === 'all' ? 'all' : 'true'
}

async function labelNames(deps: QueryDeps, request: ApiRequest): Promise<ApiAnswer> {
  const { limit, query } = selection(deps, request, false)
  return cut(await deps.queries.labelNames(query, request.signal), limit)
}

async function labelValues(deps: QueryDeps, request: ApiRequest, name: string): Promise<ApiAnswer> {
  const label = name.startsWith('U__') ? unescapeName(name) : name
  if (label === '') throw new ApiError('bad_data', `invalid label name: ${JSON.stringify(name)}`)
  const { limit, query } = selection(deps, request, false)
  return cut(await deps.queries.labelValues(label, query, request.signal), limit)
}

async function series(deps: QueryDeps, request: ApiRequest): Promise<ApiAnswer> {
  const { limit, query } = selection(deps, request, true)
  const found = await deps.queries.series(query, request.signal)
  return cut(
    found.map((labels: Labels) => labels.toObject()),
    limit,
  )
}

/** `isSeries`: a selector must be given, and is named when it is wrong. */
function selection(deps: QueryDeps, { parameters, minPosition }: ApiRequest, isSeries: boolean) {
  const texts = parameters.getAll('match[]')
  if (isSeries && texts.length === 0) throw new ApiError('bad_data', 'no match[] parameter provided')
  const limit = parameters.limit()
  const startMs = parameters.optionalTime('start')
  const endMs = parameters.optionalTime('end')
  const selectors = texts.map((text) => parseSelector(deps, text, isSeries))
  const timeRange: TimeRange | null =
    startMs === null && endMs === null
      ? null
      : { startMs: (startMs ?? Number.MIN_SAFE_INTEGER) - 1, endMs: endMs ?? Number.MAX_SAFE_INTEGER }
  // One more than wanted tells that there are more.
  return { limit, query: { selectors, range: timeRange, limit: limit === 0 ? Number.MAX_SAFE_INTEGER : limit + 1, minPosition } }
}

function parseSelector(deps: QueryDeps, text: string, isNamed: boolean): readonly Matcher[] {
  try {
    return deps.queries.parseSelector(text)
  } catch (error) {
    if (!isNamed && error instanceof QueryError && error.code === 'bad_data') throw new ApiError('bad_data', error.message)
    throw apiErrorOf(error, 'match[]')
  }
}

function cut(items: readonly unknown[], limit: number): ApiAnswer {
  if (limit === 0 || items.length <= limit) return { data: items }
  return { data: items.slice(0, limit), warnings: ['results truncated due to limit'] }
}

/** Undoes Prometheus' escaping of UTF-8 names for URLs: U__a_2e_b is a.b, two underscores are one; what is not so escaped stays as it is. */
function unescapeName(name: string): string {
  const escaped = name.slice('U__'.length)
  if (!/^(?:[^_]|__|_[0-9a-f]{1,5}_)*$/i.test(escaped)) return name
  const text = escaped.replace(/__|_([0-9a-f]{1,5})_/gi, (_, code: string | undefined) =>
    code === undefined ? '_' : String.fromCodePoint(Number.parseInt(code, 16)),
  )
  return text.isWellFormed() ? text : name
}

async function metadata(deps: QueryDeps, { parameters }: ApiRequest): Promise<ApiAnswer> {
  const limit = integer(parameters, 'limit', 'limit must be a number')
  integer(parameters, 'limit_per_metric', 'limit_per_metric must be a number')
  const metric = parameters.get('metric')
  const known = await deps.metadata.metadata(metric === '' ? undefined : metric)
  const data: Record<string, unknown> = Object.create(null)
  for (const { metric: name, type, help, unit } of known.slice(0, limit < 0 ? known.length : limit)) data[name] = [{ type, help, unit }]
  return { data }
}

function integer(parameters: Parameters, name: string, message: string): number {
  const text = parameters.get(name)
  if (text === '') return -1
  if (!/^[+-]?\d+$/.test(text)) throw new ApiError('bad_data', message)
  return Number(text)
}

async function targets(deps: HttpDeps, { parameters }: ApiRequest): Promise<ApiAnswer> {
  const state = parameters.get('state').toLowerCase()
  const pool = parameters.get('scrapePool')
  const active = state === 'dropped' ? [] : (deps.targets?.targets() ?? []).filter((target) => pool === '' || target.scrapePool === pool)
  const dropped = state === 'active' ? [] : (deps.targets?.dropped() ?? [])
  return {
    data: {
      activeTargets: active.map(targetJson),
      droppedTargets: dropped.map((labels) => ({ discoveredLabels: labels.toObject() })),
      droppedTargetCounts: state === 'active' ? null : {},
    },
  }
}

function targetJson(target: TargetStatus): unknown {
  return {
    discoveredLabels: target.discoveredLabels.toObject(),
    labels: target.labels.toObject(),
    scrapePool: target.scrapePool,
    scrapeUrl: target.scrapeUrl,
    globalUrl: target.scrapeUrl.replace(/\/\/(localhost|127\.0\.0\.1)([:/])/, (_, _host, end) => `//${hostname()}${end}`),
    lastError: target.lastError,
    lastScrape: new Date(target.lastScrapeMs ?? 0).toISOString(),
    lastScrapeDuration: target.lastScrapeDurationSeconds,
    health: target.health,
    scrapeInterval: formatDuration(target.scrapeIntervalMs),
    scrapeTimeout: formatDuration(target.scrapeTimeoutMs),
  }
}

async function rules(deps: QueryDeps, { parameters }: ApiRequest): Promise<ApiAnswer> {
  const type = parameters.get('type').toLowerCase()
  if (type !== '' && type !== 'alert' && type !== 'record') throw invalid('type', `not supported value ${JSON.stringify(type)}`)
  const exclude = parameters.get('exclude_alerts').toLowerCase()
  if (!['', 'true', 'false', '1', '0', 't', 'f'].includes(exclude))
    throw invalid('exclude_alerts', `cannot parse ${JSON.stringify(exclude)} as a boolean`)
  const groups = parameters.get('group_limit')
  if (groups !== '' && !/^\d+$/.test(groups))
    throw invalid('group_limit', `strconv.Atoi: parsing ${JSON.stringify(groups)}: invalid syntax`)
  for (const text of parameters.getAll('match[]')) parseSelector(deps, text, false)
  return { data: { groups: [] } }
}

async function exemplars(deps: QueryDeps, { parameters }: ApiRequest): Promise<ApiAnswer> {
  const startMs = parameters.optionalTime('start') ?? Number.MIN_SAFE_INTEGER
  const endMs = parameters.optionalTime('end') ?? Number.MAX_SAFE_INTEGER
  if (endMs < startMs) throw new ApiError('bad_data', 'end timestamp must not be before start timestamp')
  checkQuery(deps, parameters)
  return { data: [] }
}

async function formatQuery(deps: QueryDeps, { parameters }: ApiRequest): Promise<ApiAnswer> {
  try {
    return { data: deps.queries.format(parameters.get('query')) }
  } catch (error) {
    throw apiErrorOf(error)
  }
}

function checkQuery(deps: QueryDeps, parameters: Parameters): void {
  try {
    deps.queries.check(parameters.get('query'))
  } catch (error) {
    throw apiErrorOf(error)
  }
}

function parse(parameters: Parameters): unknown {
  try {
    return expressionTree(parameters.get('query'))
  } catch (error) {
    throw apiErrorOf(error)
  }
}
