import { EngineError } from '../../domain/errors.ts'
import { Labels } from '../../domain/labels.ts'
import type { AppendSamples } from '../../domain/ports/append-samples.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { TargetStatus } from '../../domain/ports/target-view.ts'
import { setStaleAt } from '../../domain/sample.ts'
import type { TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, histogram } from '../../telemetry/metrics.ts'
import type { ScrapeConfig } from './config.ts'
import { expositionFormat, parseExposition } from './exposition.ts'
import type { Page } from './fetch-page.ts'
import type { RelabelStep } from './relabel.ts'
import { type CachedSeries, SeriesCache } from './series-cache.ts'
import type { Target } from './targets.ts'

export interface ScrapeLoopParts {
  readonly target: Target
  readonly job: ScrapeConfig
  readonly steps: readonly RelabelStep[]
  readonly append: AppendSamples
  readonly fetch: (url: URL, timeoutMs: number, signal: AbortSignal) => Promise<Page>
  readonly clock: Clock
  readonly logger: Logger
}

/** As in Prometheus: a scrape that starts so little off its grid is stamped with the grid's time, so that timestamps pack well. */
const GRID_TOLERANCE_MS = 2
const RETRY_MS = 500
const REPORT_NAMES = [
  'up',
  'scrape_duration_seconds',
  'scrape_samples_scraped',
  'scrape_samples_post_metric_relabeling',
  'scrape_series_added',
]

const scrapes = counter('tidemark_collect_scrapes_total', 'Scrapes by result.', ['result'])
const lostScrapes = counter(
  'tidemark_collect_lost_scrapes_total',
  'Scrapes whose samples could not be put into the log before the next one.',
)
const durations = histogram(
  'tidemark_collect_scrape_duration_seconds',
  'How long scrapes took.',
  [],
  [0.005, 0.025, 0.1, 0.5, 1, 5, 10, 30],
)

/** The columns of one append, gathered. */
class Samples {
  readonly labels: Labels[] = []
  readonly #times: number[] = []
  readonly #values: number[] = []
  readonly #stale: number[] = []

  add(labels: Labels, time: TimestampMs, value: number): void {
    this.labels.push(labels)
    this.#times.push(time)
    this.#values.push(value)
  }

  addStale(labels: Labels, time: TimestampMs): void {
    this.#stale.push(this.labels.length)
    this.add(labels, time, 0)
  }

  columns(): { labels: Labels[]; times: Float64Array; values: Float64Array } {
    const values = Float64Array.from(this.#values)
    const bits = new Uint32Array(values.buffer)
    for (const index of this.#stale) setStaleAt(bits, index)
    return { labels: this.labels, times: Float64Array.from(this.#times), values }
  }
}

/** Scrapes one target on its own grid, which its key decides, so that targets are spread over the interval and stay where they are. */
export class ScrapeLoop {
  readonly target: Target
  readonly #parts: ScrapeLoopParts
  readonly #cache: SeriesCache
  readonly #report: readonly Labels[]
  /** No further scrape begins. */
  readonly #ended = new AbortController()
  /** The scrape that runs is given up. */
  readonly #cut = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #scrape = 0
  #metadata = ''
  #status: Pick<TargetStatus, 'health' | 'lastError' | 'lastScrapeMs' | 'lastScrapeDurationSeconds'> = {
    health: 'unknown',
    lastError: '',
    lastScrapeMs: null,
    lastScrapeDurationSeconds: 0,
  }

  constructor(parts: ScrapeLoopParts) {
    this.target = parts.target
    this.#parts = parts
    this.#cache = new SeriesCache(parts.job, parts.target.labels, parts.steps)
    this.#report = REPORT_NAMES.map((name) => Labels.fromEntries([...parts.target.labels, ['__name__', name]]))
  }

  start(): void {
    this.#running = this.#run(this.#ended.signal)
  }

  /**
   * Another collector goes on with the target: a scrape that has begun is finished, and nothing is marked as ended. The other one marks
   * what ends in its own time; series that vanish between the last scrape here and the first one there end by lookback.
   */
  async release(): Promise<void> {
    this.#ended.abort()
    await this.#running
  }

  /** Stops scraping. With `vanished`, the target is gone for good and its series end here; without, another collector may go on with them. */
  async stop(vanished: boolean): Promise<void> {
    this.#cut.abort()
    this.#ended.abort()
    await this.#running
    if (!vanished || this.#scrape === 0) return
    const now = this.#parts.clock.nowMs()
    const samples = new Samples()
    for (const series of this.#cache.takeUnseen(Number.NaN)) this.#addStale(samples, series, now)
    for (const labels of this.#report) samples.addStale(labels, now)
    await this.#append(samples, [], now + this.target.timeoutMs)
  }

  status(): TargetStatus {
    return {
      scrapePool: this.#parts.job.job_name,
      scrapeUrl: this.target.url.href,
      discoveredLabels: this.target.discoveredLabels,
      labels: this.target.labels,
      scrapeIntervalMs: this.target.intervalMs,
      scrapeTimeoutMs: this.target.timeoutMs,
      ...this.#status,
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts
    const { intervalMs } = this.target
    const offset = hash(this.target.key) % intervalMs
    let last = Number.NEGATIVE_INFINITY
    while (!signal.aborted) {
      const now = clock.nowMs()
      const next = Math.max(last + intervalMs, Math.ceil((now - offset) / intervalMs) * intervalMs + offset)
      try {
        if (next > now) await clock.sleep(next - now, signal)
        // A clock that was set back must not stop the loop for long.
        last = next > now + intervalMs ? Number.NEGATIVE_INFINITY : next
        const started = clock.nowMs()
        await this.#scrapeOnce(started - next <= GRID_TOLERANCE_MS ? next : started, started + intervalMs, this.#cut.signal)
      } catch (error) {
        if (signal.aborted) return
        logger.error({ target: this.target.url.href, error: String(error) }, 'a scrape failed in an unexpected way')
      }
    }
  }

  async #scrapeOnce(time: TimestampMs, deadline: TimestampMs, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts
    const started = clock.monotonicMs()
    let page: Page | null = null
    let error = ''
    try {
      page = await this.#fetch(signal)
    } catch (cause) {
      if (signal.aborted) return
      error = (cause as Error).message
    }
    const duration = (clock.monotonicMs() - started) / 1000
    this.#scrape++
    const samples = new Samples()
    let counts = { scraped: 0, kept: 0, added: 0 }
    let metadata: readonly MetricMetadata[] = []
    if (page !== null) {
      try {
        ;({ counts, metadata } = this.#read(page, time, samples))
      } catch (cause) {
        error = (cause as Error).message
        counts = { scraped: 0, kept: 0, added: 0 }
      }
    }
    for (const series of this.#cache.takeUnseen(error === '' ? this.#scrape : Number.NaN)) this.#addStale(samples, series, time)
    const report = [error === '' ? 1 : 0, duration, counts.scraped, counts.kept, counts.added]
    this.#report.forEach((labels, i) => {
      samples.add(labels, time, report[i])
    })
    this.#status = { health: error === '' ? 'up' : 'down', lastError: error, lastScrapeMs: time, lastScrapeDurationSeconds: duration }
    scrapes.inc({ result: error === '' ? 'up' : 'down' })
    durations.observe(duration)
    await this.#append(samples, metadata, deadline)
  }

  async #fetch(signal: AbortSignal): Promise<Page> {
    const { clock, fetch } = this.#parts
    const { url, timeoutMs } = this.target
    const ending = new AbortController()
    const both = AbortSignal.any([signal, ending.signal])
    const timer = clock.sleep(timeoutMs, ending.signal).then(
      () => ending.abort(new Error(`the scrape took longer than its timeout of ${timeoutMs / 1000} s`)),
      () => {},
    )
    try {
      return await fetch(url, timeoutMs, both)
    } catch (error) {
      // The HTTP client wraps the reason; the reason is what the user has to see.
      throw ending.signal.aborted ? (ending.signal.reason as Error) : error
    } finally {
      ending.abort(new Error('the scrape is over'))
      await timer
    }
  }

  #read(
    page: Page,
    time: TimestampMs,
    samples: Samples,
  ): { counts: { scraped: number; kept: number; added: number }; metadata: readonly MetricMetadata[] } {
    const { job } = this.#parts
    const exposition = parseExposition(page.text, expositionFormat(page.contentType))
    const counts = { scraped: exposition.series.length, kept: 0, added: 0 }
    // Whole or not at all: nothing counts as seen before the page is known to be good.
    const found = exposition.series.map((text) => {
      const series = this.#cache.get(text)
      if (typeof series === 'string') throw new Error(series)
      if (series.labels !== null && ++counts.kept > job.sample_limit && job.sample_limit > 0)
        throw new Error(`sample_limit of ${job.sample_limit} exceeded`)
      return series
    })
    found.forEach((series, i) => {
      if (series.seen === -1 && series.labels !== null) counts.added++
      series.seen = this.#scrape
      series.stamped = job.honor_timestamps && !Number.isNaN(exposition.times[i])
      if (series.labels !== null) samples.add(series.labels, series.stamped ? exposition.times[i] : time, exposition.values[i])
    })
    // Metadata goes with the samples when it has changed.
    const metadata = JSON.stringify(exposition.metadata)
    if (metadata === this.#metadata) return { counts, metadata: [] }
    this.#metadata = metadata
    return { counts, metadata: exposition.metadata }
  }

  #addStale(samples: Samples, series: CachedSeries, time: TimestampMs): void {
    if (series.labels === null || (series.stamped && !this.#parts.job.track_timestamps_staleness)) return
    samples.addStale(series.labels, time)
  }

  /** Tries until the deadline: the log may be away for a moment. */
  async #append(samples: Samples, metadata: readonly MetricMetadata[], deadline: TimestampMs): Promise<void> {
    const { append, clock, logger } = this.#parts
    const batch = { ...samples.columns(), metadata }
    for (;;) {
      try {
        const result = await append.appendSamples(batch, `scrape:${this.#parts.job.job_name}`)
        if (result.rejectedSamples > 0) {
          logger.warn(
            { target: this.target.url.href, rejected: result.rejectedSamples, first: result.rejected[0] },
            'samples of a scrape were refused',
          )
        }
        return
      } catch (error) {
        if (!(error instanceof EngineError) || !error.retryable) throw error
        if (clock.nowMs() + RETRY_MS >= deadline) {
          lostScrapes.inc()
          this.#metadata = ''
          logger.error({ target: this.target.url.href, error: error.message }, 'a scrape is lost: the log did not take it in time')
          return
        }
        await clock.sleep(RETRY_MS)
      }
    }
  }
}

/** FNV-1a of the text, for the place on the grid. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}
