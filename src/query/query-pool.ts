import type { Transferable } from 'node:worker_threads'
import { Labels } from '../domain/labels.ts'
import { limits as domainLimits } from '../domain/limits.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { Freshness } from '../domain/ports/freshness.ts'
import type { InstantResult, RangeResult } from '../promql/result.ts'
import type { Logger } from '../telemetry/log.ts'
import { checkExpression, formatExpression, parseSelector } from './parse-query.ts'
import { PoolWorker, type Reply, type WorkerStart } from './pool-worker.ts'
import { waitForPosition } from './query-engine.ts'
import { type PackedInstantAnswer, type PackedRangeAnswer, type QueryCall, unpackInstant, unpackRange } from './query-messages.ts'
import { countSamplesRead, countWorkerReplaced, measured, type QueryKind, setQueueLength } from './query-metrics.ts'
import {
  type Answer,
  type InstantQuery,
  type PrometheusFormat,
  QueryError,
  type QueryService,
  type RangeQuery,
  type SeriesQuery,
} from './query-service.ts'

export interface QueryPoolOptions {
  /** The worker's entry, which builds an engine and calls `serveQueries(parentPort, engine)`. */
  readonly entry: URL
  readonly workers: number
  /** Called for each start of the worker at an index, also when it replaces one, which is gone by then. */
  readonly start: (index: number) => WorkerStart
  readonly clock: Clock
  readonly logger: Logger
  /** Where the wait for a `minPosition` happens, before a worker is taken. Without it the worker waits, and is taken meanwhile. */
  readonly freshness?: Pick<Freshness, 'waitFor'>
  /** How many queries may wait for a worker; the next one is refused with `unavailable`. */
  readonly queueMax?: number
  readonly timeoutMs?: number
  /** How long after its time limit, or after its cancellation, a worker may go on before it is ended. */
  readonly graceMs?: number
}

const RESTART_MS_MIN = 100
const RESTART_MS_MAX = 10_000

interface Job {
  readonly id: number
  readonly call: QueryCall
  readonly timeoutMs: number
  readonly settle: (outcome: Reply | QueryError) => void
  /** Null while it waits in the queue. */
  worker: PoolWorker | null
}

/**
 * Answers queries on worker threads, so that no query, however heavy, delays this one. Each worker runs one query at a time; the others
 * wait in a bounded queue. A worker that doesn't end in time is ended and replaced, its query answering `timeout`; a crashed one is
 * replaced, its query answering `internal`.
 */
export class QueryPool implements QueryService {
  readonly #options: QueryPoolOptions
  readonly #queueMax: number
  readonly #graceMs: number
  readonly #workers: (PoolWorker | null)[]
  readonly #queue: Job[] = []
  readonly #closing = new AbortController()
  #starts: number[]
  #nextId = 1

  constructor(options: QueryPoolOptions) {
    this.#options = options
    this.#queueMax = options.queueMax ?? 1000
    this.#graceMs = options.graceMs ?? 1000
    this.#workers = Array.from({ length: options.workers }, () => null)
    this.#starts = this.#workers.map(() => 0)
    for (const index of this.#workers.keys()) this.#startWorker(index)
  }

  instant(query: InstantQuery, signal: AbortSignal): Promise<Answer<InstantResult>> {
    return this.#call('instant', { method: 'instant', query }, signal, (value) => unpackInstant(value as PackedInstantAnswer))
  }

  range(query: RangeQuery, signal: AbortSignal): Promise<Answer<RangeResult>> {
    return this.#call('range', { method: 'range', query }, signal, (value) => unpackRange(value as PackedRangeAnswer))
  }

  instantJson(query: InstantQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array> {
    return this.#call('instant', { method: 'instantJson', query, format }, signal, (value) => value as Uint8Array)
  }

  rangeJson(query: RangeQuery, format: PrometheusFormat, signal: AbortSignal): Promise<Uint8Array> {
    return this.#call('range', { method: 'rangeJson', query, format }, signal, (value) => value as Uint8Array)
  }

  series(query: SeriesQuery, signal: AbortSignal): Promise<Labels[]> {
    const unpack = (value: unknown): Labels[] => (value as string[][]).map((pairs) => Labels.fromSortedPairs(pairs))
    return this.#call('series', { method: 'series', query }, signal, unpack)
  }

  labelNames(query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return this.#call('label_names', { method: 'labelNames', query }, signal, (value) => value as string[])
  }

  labelValues(name: string, query: SeriesQuery, signal: AbortSignal): Promise<string[]> {
    return this.#call('label_values', { method: 'labelValues', query, name }, signal, (value) => value as string[])
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

  /** A message of the preset's own to every worker that runs now. A worker started later gets its state by `start`. */
  broadcast(message: unknown, transfer: readonly Transferable[] = []): void {
    for (const worker of this.#workers) worker?.worker.postMessage(message, transfer)
  }

  /** Ends all workers; what runs or waits answers `unavailable`. */
  async close(): Promise<void> {
    this.#closing.abort()
    const error = new QueryError('unavailable', 'the server is shutting down')
    for (const job of this.#queue.splice(0)) job.settle(error)
    setQueueLength(0)
    await Promise.all(this.#workers.map((worker) => worker?.end(error)))
  }

  // The casts of `unpack` are of what `serveQueries` packed for that very method.
  #call<Result>(kind: QueryKind, call: QueryCall, signal: AbortSignal, unpack: (value: unknown) => Result): Promise<Result> {
    return measured(kind, this.#options.clock, async () => {
      await this.#waitFor(call, signal)
      if (signal.aborted) throw new QueryError('canceled', 'query was canceled in query queue')
      const outcome = await this.#schedule(call, signal)
      if (outcome instanceof QueryError) throw outcome
      countSamplesRead(outcome.samplesRead)
      return unpack(outcome.value)
    })
  }

  async #waitFor({ query }: QueryCall, signal: AbortSignal): Promise<void> {
    const { freshness } = this.#options
    if (freshness === undefined || query.minPosition === undefined) return
    const error = await waitForPosition(freshness, query.minPosition, domainLimits.minPositionWaitMsMax, signal)
    if (error !== null) throw error
  }

  async #schedule(call: QueryCall, signal: AbortSignal): Promise<Reply | QueryError> {
    if (this.#closing.signal.aborted) return new QueryError('unavailable', 'the server is shutting down')
    const mustWait = !this.#workers.some((worker) => worker?.isIdle)
    if (mustWait && this.#queue.length >= this.#queueMax) {
      return new QueryError('unavailable', `${this.#queue.length} queries are waiting already; at most ${this.#queueMax} may`)
    }
    const { promise, resolve } = Promise.withResolvers<Reply | QueryError>()
    const most = this.#options.timeoutMs ?? domainLimits.queryTimeoutMs
    const asked = 'timeoutMs' in call.query ? (call.query.timeoutMs ?? most) : most
    const job: Job = { id: this.#nextId, call, timeoutMs: Math.min(asked, most), settle: resolve, worker: null }
    this.#nextId = (this.#nextId % 0x7fffffff) + 1
    const cancel = (): void => this.#cancel(job)
    signal.addEventListener('abort', cancel, { once: true })
    const settled = new AbortController()
    void this.#watchQueue(job, settled.signal)
    this.#queue.push(job)
    this.#dispatch()
    const outcome = await promise
    settled.abort()
    signal.removeEventListener('abort', cancel)
    return outcome
  }

  #dispatch(): void {
    for (const worker of this.#workers) {
      if (!worker?.isIdle) continue
      const job = this.#queue.shift()
      if (job === undefined) break
      void this.#run(job, worker)
    }
    setQueueLength(this.#queue.length)
  }

  async #run(job: Job, worker: PoolWorker): Promise<void> {
    job.worker = worker
    const finished = new AbortController()
    void this.#watchRun(worker, job.timeoutMs + this.#graceMs, finished.signal)
    const outcome = await worker.run(job.id, job.call)
    finished.abort()
    job.settle(outcome)
  }

  /** A query that no worker took in its time answers `timeout`. */
  async #watchQueue(job: Job, signal: AbortSignal): Promise<void> {
    if (!(await this.#slept(job.timeoutMs, signal)) || !this.#leaveQueue(job)) return
    job.settle(new QueryError('timeout', 'query timed out in query queue'))
  }

  async #watchRun(worker: PoolWorker, ms: number, signal: AbortSignal): Promise<void> {
    if (!(await this.#slept(ms, signal))) return
    this.#replace(worker, new QueryError('timeout', 'query timed out in expression evaluation'))
  }

  #cancel(job: Job): void {
    this.#leaveQueue(job)
    const { worker } = job
    if (worker !== null) {
      worker.cancel(job.id)
      void this.#watchCancel(worker, job.id)
    }
    job.settle(new QueryError('canceled', `query was canceled in ${worker === null ? 'query queue' : 'query execution'}`))
  }

  async #watchCancel(worker: PoolWorker, id: number): Promise<void> {
    if (!(await this.#slept(this.#graceMs, this.#closing.signal)) || worker.runningId !== id) return
    this.#replace(worker, new QueryError('canceled', 'query was canceled in expression evaluation'))
  }

  #leaveQueue(job: Job): boolean {
    const index = this.#queue.indexOf(job)
    if (index < 0) return false
    this.#queue.splice(index, 1)
    setQueueLength(this.#queue.length)
    return true
  }

  #replace(worker: PoolWorker, error: QueryError): void {
    const index = this.#workers.indexOf(worker)
    if (index < 0 || this.#closing.signal.aborted) return
    countWorkerReplaced('stuck')
    this.#options.logger.warn({ worker: index }, 'a query worker did not end in time and is replaced')
    void this.#endAndStart(worker, index, error)
  }

  /** One after the other: what belongs to the index is one worker's at a time. */
  async #endAndStart(worker: PoolWorker, index: number, error: QueryError): Promise<void> {
    this.#workers[index] = null
    await worker.end(error)
    if (!this.#closing.signal.aborted) this.#startWorker(index)
  }

  #startWorker(index: number): void {
    const onChange = (): void => {
      this.#starts[index] = 0
      this.#dispatch()
    }
    const { entry, start } = this.#options
    this.#workers[index] = new PoolWorker(entry, start(index), onChange, (_, error) => void this.#restart(index, error))
  }

  /** A worker that fails at its start is tried again at growing intervals: the rest of the server goes on. */
  async #restart(index: number, error: QueryError): Promise<void> {
    if (this.#closing.signal.aborted) return
    countWorkerReplaced('crashed')
    this.#options.logger.error({ worker: index, err: error }, 'a query worker crashed and is replaced')
    this.#workers[index] = null
    const failures = this.#starts[index] ?? 0
    this.#starts[index] = failures + 1
    const waitMs = failures === 0 ? 0 : Math.min(RESTART_MS_MIN * 2 ** failures, RESTART_MS_MAX)
    if (waitMs > 0 && !(await this.#slept(waitMs, this.#closing.signal))) return
    this.#startWorker(index)
  }

  /** Whether the time passed before the signal came. */
  async #slept(ms: number, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#options.clock.sleep(ms, signal)
      return true
    } catch {
      return false
    }
  }
}
