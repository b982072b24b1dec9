import { compareLabels, Labels } from '../../src/domain/labels.ts'
import type { AppendSamples, SampleBatch, WriteResult } from '../../src/domain/ports/append-samples.ts'
import type { LagView, PartitionLag } from '../../src/domain/ports/lag-view.ts'
import type { MetadataView, MetricMetadata } from '../../src/domain/ports/metadata-view.ts'
import { encodePosition } from '../../src/domain/position.ts'
import type { Scope } from '../../src/graphql/context.ts'
import type { GraphqlDeps } from '../../src/graphql/deps.ts'
import {
  type Answer,
  type InstantQuery,
  QueryError,
  type QueryService,
  type RangeQuery,
  type SeriesQuery,
} from '../../src/query/query-service.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { SeededRandom, VirtualClock } from '../support/virtual-clock.ts'

export const position = encodePosition(0, new Map([[0, 7]]))

/** Series in memory behind the read side's face; PromQL answers are what a test puts in. */
export class FakeQueries implements QueryService {
  series_: Labels[] = []
  instantResult: Awaited<ReturnType<QueryService['instant']>>['result'] = { type: 'scalar', timeMs: 0, value: 1 }
  rangeResult: Awaited<ReturnType<QueryService['range']>>['result'] = { type: 'range', timestamps: new Float64Array(), series: [] }
  warnings: string[] = []
  error: Error | null = null
  /** Never answer, until the caller leaves. */
  hang = false
  readonly instants: InstantQuery[] = []
  readonly ranges: RangeQuery[] = []
  /** How many series were asked for, call by call. */
  readonly listLimits: number[] = []
  readonly aborted: unknown[] = []

  async instant(query: InstantQuery, signal: AbortSignal) {
    this.instants.push(query)
    return this.#answer(this.instantResult, signal)
  }

  async range(query: RangeQuery, signal: AbortSignal) {
    this.ranges.push(query)
    return this.#answer(this.rangeResult, signal)
  }

  async instantJson(): Promise<Uint8Array> {
    throw new Error('GraphQL has no use for this')
  }

  async rangeJson(): Promise<Uint8Array> {
    throw new Error('GraphQL has no use for this')
  }

  async series(query: SeriesQuery) {
    this.listLimits.push(query.limit)
    return [...this.series_].sort(compareLabels).slice(0, query.limit)
  }

  async labelNames(query: SeriesQuery) {
    return [...new Set(this.series_.flatMap((labels) => [...labels].map(([name]) => name)))].sort().slice(0, query.limit)
  }

  async labelValues(name: string, query: SeriesQuery) {
    return [...new Set(this.series_.map((labels) => labels.get(name)).filter((value) => value !== ''))].sort().slice(0, query.limit)
  }

  parseSelector(text: string) {
    if (!/^\w+$/.test(text)) throw new QueryError('bad_data', `1:1: parse error: unexpected ${text}`)
    return []
  }

  format(expr: string): string {
    return expr
  }

  check() {}

  async #answer<Result>(result: Result, signal: AbortSignal): Promise<Answer<Result>> {
    if (this.error) throw this.error
    if (this.hang) {
      await new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          this.aborted.push(signal.reason)
          reject(signal.reason)
        }),
      )
    }
    const stats = { seriesMatched: 1, samplesRead: 2 ** 40, headSamples: 3, blocksRead: 4, bytesRead: 5, loadMs: 0.5, evaluateMs: 0.25 }
    return { result, warnings: this.warnings, infos: [], stats, asOf: position, ageMs: 12.5 }
  }
}

export class FakeAppend implements AppendSamples {
  readonly batches: SampleBatch[] = []
  error: Error | null = null
  rejected: WriteResult['rejected'] = []

  async appendSamples(batch: SampleBatch): Promise<WriteResult> {
    if (this.error) throw this.error
    this.batches.push(batch)
    return { acceptedSamples: batch.times.length, rejectedSamples: this.rejected.length, rejected: this.rejected, position }
  }
}

/** Counts how often it is asked. */
export class FakeMetadata implements MetadataView {
  calls = 0
  entries: MetricMetadata[] = []

  async metadata(metric?: string) {
    this.calls += 1
    return this.entries.filter((entry) => metric === undefined || entry.metric === metric)
  }
}

export class FakeLag implements LagView {
  entries: PartitionLag[] = []

  async lags() {
    return this.entries
  }
}

export const scopes = (...list: Scope[]): ReadonlySet<Scope> => new Set(list)

export function fakeDeps() {
  return {
    queries: new FakeQueries(),
    append: new FakeAppend(),
    metadata: new FakeMetadata(),
    lag: new FakeLag(),
    targets: null as GraphqlDeps['targets'],
    clock: new VirtualClock(),
    random: new SeededRandom(),
    log: silentLogger,
    version: '0.1.0',
    roles: ['ingest', 'query'] as const,
    startedAtMs: 1_700_000_000_000,
    authenticate: (token: string) => (token === 'reader' ? scopes('read') : null),
    graphiqlHtml: new TextEncoder().encode('<!doctype html>GraphiQL'),
  } satisfies GraphqlDeps
}

export function labels(object: Record<string, string>): Labels {
  return Labels.fromObject(object)
}
