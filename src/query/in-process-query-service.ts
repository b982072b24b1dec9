import type { Labels } from '../domain/labels.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { InstantResult, RangeResult } from '../promql/result.ts'
import { checkExpression, formatExpression, parseSelector } from './parse-query.ts'
import { instantJson, rangeJson } from './prometheus-json.ts'
import type { QueryEngine } from './query-engine.ts'
import { countSamplesRead, measured, type QueryKind } from './query-metrics.ts'
import type { Answer, InstantQuery, PrometheusFormat, QueryService, RangeQuery, SeriesQuery } from './query-service.ts'

/** The engine on this very thread: for commands that ask once, and for tests. A heavy query holds this thread until it ends. */
export class InProcessQueryService implements QueryService {
  readonly #engine: QueryEngine
  readonly #clock: Clock

  constructor(engine: QueryEngine, clock: Clock) {
    this.#engine = engine
    this.#clock = clock
  }

  instant(query: InstantQuery, signal: AbortSignal): Promise<Answer<InstantResult>> {
    return this.#counted('instant', () => this.#engine.instant(query, signal))
  }

  range(query: RangeQuery, signal: AbortSignal): Promise<Answer<RangeResult>> {
    return this.#counted('range', () => this.#engine.range(query, signal))
  }

  async instantJson(query: InstantQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array> {
    return instantJson(await this.instant(query, signal), format)
  }

  async rangeJson(query: RangeQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array> {
    return rangeJson(await this.range(query, signal), format)
  }

  series(query: SeriesQuery, signal: AbortSignal): Promise<Labels[]> {
    return measured('series', this.#clock, () => this.#engine.series(query, signal))
  }

  labelNames(query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return measured('label_names', this.#clock, () => this.#engine.labelNames(query, signal))
  }

  labelValues(name: string, query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return measured('label_values', this.#clock, () => this.#engine.labelValues(name, query, signal))
  }

  parseSelector(text: string): readonly Matcher[] {
    return parseSelector(text)
  }

  format(expr: string): string {
    return formatExpression(expr)
  }

  check(expr: string): void {
    checkExpression(expr)
  }

  async #counted<Result>(kind: QueryKind, run: () => Promise<Answer<Result>>): Promise<Answer<Result>> {
    const answer = await measured(kind, this.#clock, run)
    countSamplesRead(answer.stats.samplesRead)
    return answer
  }
}
