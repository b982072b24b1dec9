// How an answer is made:
// 1. parse (or take the tree from the cache) and check the bounds;
// 2. wait until the asked position is applied, then pin what the answer will hold at least;
// 3. load every selector's series, awaiting the reader; the same selection once;
// 4. evaluate, without waiting.
// One time limit stands over 3 and 4. Loading ends by an abort signal; evaluation asks `checkpoint`, which looks at the clock and at a
// flag that another thread may set, since this thread hears nothing while it computes.

import type { Labels } from '../domain/labels.ts'
import { limits as domainLimits } from '../domain/limits.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { Freshness } from '../domain/ports/freshness.ts'
import type { LabelReader } from '../domain/ports/label-reader.ts'
import type { ReadStats, SeriesReader } from '../domain/ports/series-reader.ts'
import type { Position } from '../domain/position.ts'
import type { Expr } from '../promql/ast.ts'
import { type EvalLimits, type EvalWindow, evaluateInstant, evaluateRange } from '../promql/evaluate.ts'
import type { Annotations, InstantResult, RangeResult } from '../promql/result.ts'
import { loadSelections } from './load-selections.ts'
import { ParseCache } from './parse-cache.ts'
import { instantJson, rangeJson } from './prometheus-json.ts'
import { asQueryError } from './query-errors.ts'
import {
  type Answer,
  type InstantQuery,
  type PrometheusFormat,
  QueryError,
  type QueryOptions,
  type RangeQuery,
  type SeriesQuery,
} from './query-service.ts'

/** The server's own bounds; a query may ask for less. */
export interface QueryLimits {
  readonly timeoutMs: number
  readonly samplesMax: number
  readonly seriesMax: number
  readonly pointsPerSeriesMax: number
  readonly lookbackMs: number
  readonly positionWaitMsMax: number
}

export const defaultQueryLimits: QueryLimits = {
  timeoutMs: domainLimits.queryTimeoutMs,
  samplesMax: domainLimits.querySamplesMax,
  seriesMax: domainLimits.querySeriesMax,
  pointsPerSeriesMax: domainLimits.queryPointsPerSeriesMax,
  lookbackMs: domainLimits.lookbackMs,
  positionWaitMsMax: domainLimits.minPositionWaitMsMax,
}

export interface QueryEngineOptions {
  readonly reader: SeriesReader
  readonly labels: LabelReader
  readonly freshness: Freshness
  readonly clock: Clock
  readonly limits?: Partial<QueryLimits>
}

/** Whether the query is to end now; asked often while this thread is busy and hears no message. */
export type IsCancelled = () => boolean

const neverCancelled: IsCancelled = () => false

/** Answers queries where the data is. All methods throw only `QueryError`s. */
export class QueryEngine {
  readonly #options: QueryEngineOptions
  readonly #limits: QueryLimits
  readonly #trees = new ParseCache()

  constructor(options: QueryEngineOptions) {
    this.#options = options
    this.#limits = { ...defaultQueryLimits, ...options.limits }
  }

  instant(query: InstantQuery, signal: AbortSignal, isCancelled: IsCancelled = neverCancelled): Promise<Answer<InstantResult>> {
    const window = { startMs: query.timeMs, endMs: query.timeMs, stepMs: 0, lookbackMs: this.#lookbackMs(query) }
    return this.#answer(query, window, signal, isCancelled, evaluateInstant)
  }

  async range(query: RangeQuery, signal: AbortSignal, isCancelled: IsCancelled = neverCancelled): Promise<Answer<RangeResult>> {
    this.#checkSteps(query)
    const { startMs, endMs, stepMs } = query
    return this.#answer(query, { startMs, endMs, stepMs, lookbackMs: this.#lookbackMs(query) }, signal, isCancelled, evaluateRange)
  }

  async instantJson(query: InstantQuery, format: PrometheusFormat, signal: AbortSignal, isCancelled?: IsCancelled): Promise<Uint8Array> {
    return instantJson(await this.instant(query, signal, isCancelled), format)
  }

  async rangeJson(query: RangeQuery, format: PrometheusFormat, signal: AbortSignal, isCancelled?: IsCancelled): Promise<Uint8Array> {
    return rangeJson(await this.range(query, signal, isCancelled), format)
  }

  series(query: SeriesQuery, signal: AbortSignal): Promise<Labels[]> {
    return this.#read(query, signal, (labels) => labels.series(query.selectors, query.range, query.limit))
  }

  labelNames(query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return this.#read(query, signal, (labels) => labels.labelNames(query.selectors, query.range, query.limit))
  }

  labelValues(name: string, query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return this.#read(query, signal, (labels) => labels.labelValues(name, query.selectors, query.range, query.limit))
  }

  async #answer<Result>(
    query: QueryOptions & { readonly expr: string },
    window: EvalWindow,
    signal: AbortSignal,
    isCancelled: IsCancelled,
    evaluate: (expr: Expr, window: EvalWindow, loaded: Loaded, limits: EvalLimits, text: string) => { result: Result } & Annotations,
  ): Promise<Answer<Result>> {
    const { clock, freshness, reader } = this.#options
    const expr = this.#trees.parse(query.expr, { stepMs: window.stepMs, rangeMs: window.endMs - window.startMs })
    await this.#waitFor(query.minPosition, signal)
    const deadline = new Deadline(clock, Math.min(query.timeoutMs ?? Number.POSITIVE_INFINITY, this.#limits.timeoutMs), signal, isCancelled)
    try {
      const { position, ageMs } = freshness.pinned()
      const startedMs = clock.monotonicMs()
      const lacking = new Set<string>()
      const stats: ReadStats = { seriesMatched: 0, samplesRead: 0, headSamples: 0, blocksRead: 0, bytesRead: 0, warnings: lacking }
      const bounds = {
        seriesMax: Math.min(query.seriesMax ?? Number.POSITIVE_INFINITY, this.#limits.seriesMax),
        samplesMax: Math.min(query.samplesMax ?? Number.POSITIVE_INFINITY, this.#limits.samplesMax),
      }
      const loaded = await loadSelections(expr, window, reader, { ...bounds, stats, deadline })
      const loadedMs = clock.monotonicMs()
      const evalLimits = { samplesMax: bounds.samplesMax, checkpoint: () => deadline.check('expression evaluation') }
      const { result, warnings, infos } = evaluate(expr, window, loaded, evalLimits, query.expr)
      const evaluatedMs = clock.monotonicMs()
      const timings = { loadMs: loadedMs - startedMs, evaluateMs: evaluatedMs - loadedMs }
      const { warnings: _, ...counts } = stats
      return { result, warnings: [...lacking, ...warnings], infos, stats: { ...counts, ...timings }, asOf: position, ageMs }
    } catch (error) {
      if (error instanceof QueryError) throw error
      // An abort shows as whatever the reader made of it: what ended the query is known here.
      deadline.check('query execution')
      throw asQueryError(error)
    } finally {
      deadline.end()
    }
  }

  async #read<Result>(query: SeriesQuery, signal: AbortSignal, read: (labels: LabelReader) => Result): Promise<Result> {
    await this.#waitFor(query.minPosition, signal)
    try {
      return read(this.#options.labels)
    } catch (error) {
      throw asQueryError(error)
    }
  }

  async #waitFor(position: Position | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw new QueryError('canceled', 'query was canceled in query execution')
    if (position === undefined) return
    const outcome = await waitForPosition(this.#options.freshness, position, this.#limits.positionWaitMsMax, signal)
    if (outcome !== null) throw outcome
  }

  #lookbackMs(query: QueryOptions): number {
    return query.lookbackMs ?? this.#limits.lookbackMs
  }

  #checkSteps({ startMs, endMs, stepMs }: RangeQuery): void {
    if (endMs < startMs) throw new QueryError('bad_data', 'end timestamp must not be before start time')
    if (!(stepMs > 0)) {
      throw new QueryError('bad_data', 'zero or negative query resolution step widths are not accepted. Try a positive integer')
    }
    const most = this.#limits.pointsPerSeriesMax
    if (Math.floor((endMs - startMs) / stepMs) > most) {
      const shown = most.toLocaleString('en-US')
      throw new QueryError(
        'bad_data',
        `exceeded maximum resolution of ${shown} points per timeseries. Try decreasing the query resolution (?step=XX)`,
      )
    }
  }
}

type Loaded = Awaited<ReturnType<typeof loadSelections>>

/** Waits for a position; the error that ends the query if it isn't reached, else null. */
export async function waitForPosition(
  freshness: Pick<Freshness, 'waitFor'>,
  position: Position,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<QueryError | null> {
  try {
    const outcome = await freshness.waitFor(position, timeoutMs, signal)
    if (outcome === 'reached') return null
    if (outcome === 'unknown')
      return new QueryError('position-unknown', `${JSON.stringify(position)} is no position of this log's generation`)
    return new QueryError('position-timeout', `position ${JSON.stringify(position)} was not applied within ${timeoutMs} ms`)
  } catch (error) {
    return signal.aborted
      ? new QueryError('canceled', 'query was canceled while it waited for a position', { cause: error })
      : asQueryError(error)
  }
}

/** Ends a query: when its time is over, when its client leaves, or when another thread says so. */
export class Deadline {
  readonly signal: AbortSignal
  readonly #clock: Clock
  readonly #atMs: number
  readonly #client: AbortSignal
  readonly #isCancelled: IsCancelled
  readonly #finished = new AbortController()

  constructor(clock: Clock, timeoutMs: number, client: AbortSignal, isCancelled: IsCancelled) {
    this.#clock = clock
    this.#atMs = clock.monotonicMs() + timeoutMs
    this.#client = client
    this.#isCancelled = isCancelled
    const timedOut = new AbortController()
    this.signal = AbortSignal.any([client, timedOut.signal])
    // Never rejects unseen: ending the query is what stops the sleep.
    clock.sleep(timeoutMs, this.#finished.signal).then(
      () => timedOut.abort(),
      () => undefined,
    )
  }

  /** @throws QueryError `canceled` or `timeout` if the query is to end, with Prometheus' text */
  check(where: string): void {
    if (this.#client.aborted || this.#isCancelled()) throw new QueryError('canceled', `query was canceled in ${where}`)
    if (this.#clock.monotonicMs() >= this.#atMs) throw new QueryError('timeout', `query timed out in ${where}`)
  }

  end(): void {
    this.#finished.abort()
  }
}
