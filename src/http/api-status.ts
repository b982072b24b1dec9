import { availableParallelism, hostname } from 'node:os'
import { formatDuration } from '../domain/duration.ts'
import type { Labels } from '../domain/labels.ts'
import { ApiError } from './api-error.ts'
import type { HttpLimits, QueryDeps } from './deps.ts'
import type { ApiAnswer, ApiRequest } from './prometheus-api.ts'

/** The version of Prometheus whose API this is: clients decide by it what they may ask for. */
const API_VERSION = '3.16.0'
/** Up to so many series are listed to tell what they are made of: more would hold up the thread that takes samples. */
const LISTED_SERIES_MAX = 20_000
const TOP_COUNT = 10

/** `status/buildinfo`. Our own version is the build of that API. */
export function buildInfo(version: string): unknown {
  return {
    version: `${API_VERSION}+tidemark.${version}`,
    revision: version,
    branch: '',
    buildUser: '',
    buildDate: '',
    goVersion: process.version,
    application: 'tidemark',
  }
}

/** `status/runtimeinfo`, in Prometheus' shape; of Go's own figures those that have no like here are empty. */
export function runtimeInfo(deps: QueryDeps, limits: HttpLimits): unknown {
  const startTime = new Date(deps.startedAtMs).toISOString()
  return {
    startTime,
    CWD: '',
    hostname: hostname(),
    serverTime: new Date(deps.clock.nowMs()).toISOString(),
    reloadConfigSuccess: true,
    lastConfigTime: startTime,
    corruptionCount: 0,
    goroutineCount: 0,
    GOMAXPROCS: availableParallelism(),
    GOMEMLIMIT: 0,
    GOGC: '',
    GODEBUG: '',
    storageRetention: formatDuration(limits.rawRetentionMs),
  }
}

/** `status/tsdb`: how many series there are, and, unless they are too many to be listed, what most of them have in common. */
export async function tsdbStatus(deps: QueryDeps, { parameters, signal }: ApiRequest): Promise<ApiAnswer> {
  const text = parameters.get('limit')
  const limit = text === '' ? TOP_COUNT : Number(text)
  if (!/^\d*$/.test(text) || limit < 1) throw new ApiError('bad_data', 'limit must be a positive number')
  const numSeries = deps.seriesCount()
  const listed =
    numSeries > LISTED_SERIES_MAX ? [] : await deps.queries.series({ selectors: [], range: null, limit: LISTED_SERIES_MAX }, signal)
  const { metrics, values, bytes, pairs } = cardinality(listed)
  return {
    data: {
      headStats: { numSeries, numLabelPairs: pairs.size, chunkCount: 0, minTime: 0, maxTime: 0 },
      seriesCountByMetricName: top(metrics, limit),
      labelValueCountByLabelName: top(new Map([...values].map(([name, set]) => [name, set.size])), limit),
      memoryInBytesByLabelName: top(bytes, limit),
      seriesCountByLabelValuePair: top(pairs, limit),
    },
  }
}

function cardinality(series: readonly Labels[]) {
  const metrics = new Map<string, number>()
  const values = new Map<string, Set<string>>()
  const bytes = new Map<string, number>()
  const pairs = new Map<string, number>()
  for (const labels of series) {
    if (labels.metric !== '') add(metrics, labels.metric, 1)
    for (const [name, value] of labels) {
      const pair = `${name}=${value}`
      add(pairs, pair, 1)
      const known = values.get(name)
      if (known?.has(value)) continue
      if (known === undefined) values.set(name, new Set([value]))
      else known.add(value)
      // Each value is held once.
      add(bytes, name, Buffer.byteLength(value))
    }
  }
  return { metrics, values, bytes, pairs }
}

function add(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count)
}

function top(counts: ReadonlyMap<string, number>, limit: number): { name: string; value: number }[] {
  return [...counts]
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .slice(0, limit)
    .map(([name, value]) => ({ name, value }))
}
