import type { Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { Position } from '../domain/position.ts'
import type { TimeRange, TimestampMs } from '../domain/time.ts'
import type { InstantResult, RangeResult } from '../promql/result.ts'

/** What any query may set. Bounds beyond the server's own are cut to it. */
export interface QueryOptions {
  readonly timeoutMs?: number
  readonly lookbackMs?: number
  readonly samplesMax?: number
  readonly seriesMax?: number
  /** Wait (bounded) until the head holds everything below this position. */
  readonly minPosition?: Position
}

export interface InstantQuery extends QueryOptions {
  readonly expr: string
  readonly timeMs: TimestampMs
}

export interface RangeQuery extends QueryOptions {
  readonly expr: string
  readonly startMs: TimestampMs
  readonly endMs: TimestampMs
  readonly stepMs: number
}

export interface QueryStats {
  readonly seriesMatched: number
  readonly samplesRead: number
  /** Of those, how many came from the head. */
  readonly headSamples: number
  readonly blocksRead: number
  readonly bytesRead: number
  readonly loadMs: number
  readonly evaluateMs: number
}

export interface Answer<Result> {
  readonly result: Result
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
  readonly stats: QueryStats
  /** What the head had applied when the query pinned it. */
  readonly asOf: Position
  /** Age of the oldest record that was durable and not yet applied; 0 when caught up. */
  readonly ageMs: number
}

export interface SeriesQuery {
  /** Each a list of matchers; the union is meant. Empty: all series. */
  readonly selectors: readonly (readonly Matcher[])[]
  readonly range: TimeRange | null
  readonly limit: number
  readonly minPosition?: Position
}

/** How a result is to be written as bytes of the Prometheus HTTP API's `data` member. */
export interface PrometheusFormat {
  /** At most this many series; more are cut and a warning added; 0 = all. */
  readonly limit: number
  /** Whether `stats` is asked for: none, timings and totals ("1"/any), or per step ("all"). */
  readonly stats: '' | 'true' | 'all'
}

/** The read side, as front doors see it. Errors are `QueryError`s. */
export interface QueryService {
  instant(query: InstantQuery, signal: AbortSignal): Promise<Answer<InstantResult>>
  range(query: RangeQuery, signal: AbortSignal): Promise<Answer<RangeResult>>
  /** A whole response body `{"status":"success","data":{...}[,"warnings":[...]][,"infos":[...]]}` in UTF-8, serialised where it was evaluated. */
  instantJson(query: InstantQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array>
  rangeJson(query: RangeQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array>
  series(query: SeriesQuery, signal: AbortSignal): Promise<Labels[]>
  labelNames(query: SeriesQuery, signal: AbortSignal): Promise<string[]>
  labelValues(name: string, query: SeriesQuery, signal: AbortSignal): Promise<string[]>
  /** `match[]` of the metadata calls: parses a selector. @throws QueryError `bad_data` */
  parseSelector(text: string): readonly Matcher[]
  /** Whether an expression is well formed. @throws QueryError `bad_data` */
  check(expr: string): void
  /** An expression as Prometheus prints it. @throws QueryError `bad_data` */
  format(expr: string): string
}

export type QueryErrorCode =
  | 'bad_data'
  | 'execution'
  | 'timeout'
  | 'canceled'
  | 'limit'
  | 'position-timeout'
  | 'position-unknown'
  | 'unavailable'
  | 'internal'

export class QueryError extends Error {
  readonly code: QueryErrorCode

  constructor(code: QueryErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'QueryError'
    this.code = code
  }
}
