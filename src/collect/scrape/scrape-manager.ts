import type { Labels } from '../../domain/labels.ts'
import type { AppendSamples } from '../../domain/ports/append-samples.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { TargetStatus, TargetView } from '../../domain/ports/target-view.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, gauge } from '../../telemetry/metrics.ts'
import type { TargetShare } from '../ring/target-share.ts'
import type { ScrapeConfig } from './config.ts'
import { PageFetcher } from './fetch-page.ts'
import { FileDiscovery } from './file-discovery.ts'
import { compileRelabel } from './relabel.ts'
import { ScrapeLoop } from './scrape-loop.ts'
import { type Target, type TargetGroup, targetsOf } from './targets.ts'

export interface ScrapeManagerParts {
  readonly jobs: readonly ScrapeConfig[]
  readonly append: AppendSamples
  readonly clock: Clock
  readonly logger: Logger
  readonly userAgent: string
  /** Which targets are this collector's; all of them without it. */
  readonly share?: TargetShare
  /** By default over HTTP. */
  readonly openFetcher?: (job: ScrapeConfig) => Pick<PageFetcher, 'fetch' | 'close'>
}

/** Files are looked at this often, whatever their refresh interval: a look at an unchanged file is cheap. */
const FILE_LOOK_MS = 5000
/** How long a collector that leaves waits for its last scrapes. */
const FINISH_MS = 2000

const targetCount = gauge('tidemark_collect_targets', 'Targets being scraped, by job.', ['job'])
const targetMoves = counter('tidemark_collect_target_moves_total', 'Targets that came from other collectors or went to them.', [
  'direction',
])

/**
 * Keeps one loop for each target that the configuration and the files name at the moment, and that is this collector's share.
 *
 * A target that moves goes on at its next grid time elsewhere: the grid follows from the target, so it is the same for all collectors.
 */
export class ScrapeManager implements TargetView {
  readonly #pools: readonly ScrapePool[]
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #ended = new AbortController()
  readonly #share: TargetShare | undefined
  #watching: Promise<void> = Promise.resolve()
  #unsubscribe: () => void = () => {}

  constructor(parts: ScrapeManagerParts) {
    this.#share = parts.share
    this.#clock = parts.clock
    this.#logger = parts.logger
    this.#pools = parts.jobs.map((job) => new ScrapePool(job, parts))
  }

  async start(): Promise<void> {
    // Listens first: members may become known while files are read.
    if (this.#share !== undefined) {
      this.#unsubscribe = this.#share.onChange(() => {
        for (const pool of this.#pools) pool.share()
      })
    }
    for (const pool of this.#pools) await pool.sync()
    this.#watching = this.#watch(this.#ended.signal)
  }

  /** Ends all loops in order; their series are not marked as ended: this process, or another, will go on with them. */
  async stop(): Promise<void> {
    this.#unsubscribe()
    this.#ended.abort()
    await this.#watching
    await Promise.all(this.#pools.map((pool) => pool.stop()))
  }

  targets(): readonly TargetStatus[] {
    return this.#pools.flatMap((pool) => pool.status())
  }

  dropped(): readonly Labels[] {
    return this.#pools.flatMap((pool) => pool.dropped)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await this.#clock.sleep(FILE_LOOK_MS, signal)
        for (const pool of this.#pools) if (pool.hasFiles) await pool.sync()
      }
    } catch (error) {
      if (!signal.aborted) this.#logger.error({ error: String(error) }, 'looking for targets has ended')
    }
  }
}

class ScrapePool {
  dropped: Labels[] = []
  readonly hasFiles: boolean
  readonly #job: ScrapeConfig
  readonly #parts: ScrapeManagerParts
  readonly #fetcher: Pick<PageFetcher, 'fetch' | 'close'>
  readonly #files: FileDiscovery
  readonly #loops = new Map<string, ScrapeLoop>()
  /** Of targets that moved away: they finish a scrape. */
  readonly #leaving = new Set<ScrapeLoop>()
  /** Everybody's. */
  #targets: readonly Target[] = []
  #synced = false
  #stopped = false
  readonly #targetSteps
  readonly #metricSteps
  #lastErrors = ''

  constructor(job: ScrapeConfig, parts: ScrapeManagerParts) {
    this.#job = job
    this.#parts = parts
    this.#fetcher = parts.openFetcher?.(job) ?? new PageFetcher(job, parts.userAgent)
    this.hasFiles = job.file_sd_configs.length > 0
    this.#files = new FileDiscovery(job.file_sd_configs.flatMap(({ files }) => files))
    this.#targetSteps = compileRelabel(job.relabel_configs)
    this.#metricSteps = compileRelabel(job.metric_relabel_configs)
  }

  /** Starts loops of new targets, ends those of targets that are gone. */
  async sync(): Promise<void> {
    const discovered = await this.#files.read()
    const groups: TargetGroup[] = [...this.#job.static_configs, ...discovered.groups]
    const { targets, dropped, errors } = targetsOf(this.#job, groups, this.#targetSteps)
    this.#say([...discovered.errors, ...errors])
    this.dropped = dropped
    const limit = this.#job.target_limit
    if (limit > 0 && targets.length > limit) {
      this.#say([`${this.#job.job_name}: ${targets.length} targets are over target_limit ${limit}; none is scraped`])
      targets.length = 0
    }
    this.#targets = targets
    const wanted = new Set(targets.map(({ key }) => key))
    const gone = [...this.#loops].filter(([key]) => !wanted.has(key))
    for (const [key] of gone) this.#loops.delete(key)
    this.share()
    this.#synced = true
    // Marked by whoever had them last; the others have no loop of them.
    await Promise.all(gone.map(([, loop]) => loop.stop(true)))
  }

  /** Starts loops of targets that are this collector's now, lets go of those that no longer are. */
  share(): void {
    if (this.#stopped) return
    const { share } = this.#parts
    const moves = { in: 0, out: 0 }
    for (const target of this.#targets) {
      const loop = this.#loops.get(target.key)
      const owned = share === undefined || share.owns(target.key)
      if (owned && loop === undefined) {
        this.#start(target)
        moves.in++
      } else if (!owned && loop !== undefined) {
        this.#loops.delete(target.key)
        this.#leaving.add(loop)
        void loop.release().finally(() => this.#leaving.delete(loop))
        moves.out++
      }
    }
    targetCount.set({ job: this.#job.job_name }, this.#loops.size)
    if (share === undefined || !this.#synced || moves.in + moves.out === 0) return
    targetMoves.inc({ direction: 'in' }, moves.in)
    targetMoves.inc({ direction: 'out' }, moves.out)
    this.#parts.logger.info({ job: this.#job.job_name, ...moves, targets: this.#loops.size }, 'targets moved between collectors')
  }

  #start(target: Target): void {
    const loop = new ScrapeLoop({
      ...this.#parts,
      target,
      job: this.#job,
      steps: this.#metricSteps,
      fetch: (url, timeoutMs, signal) => this.#fetcher.fetch(url, timeoutMs, signal),
    })
    this.#loops.set(target.key, loop)
    loop.start()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    if (this.#parts.share !== undefined) await this.#finish()
    await Promise.all([...this.#loops.values(), ...this.#leaving].map((loop) => loop.stop(false)))
    this.#fetcher.close()
  }

  /** Scrapes that have begun are finished: whoever takes over begins with the next ones. */
  async #finish(): Promise<void> {
    const waiting = new AbortController()
    const finished = Promise.all([...this.#loops.values(), ...this.#leaving].map((loop) => loop.release()))
    await Promise.race([finished, this.#parts.clock.sleep(FINISH_MS, waiting.signal).catch(() => {})])
    waiting.abort()
  }

  status(): TargetStatus[] {
    return [...this.#loops.values()].map((loop) => loop.status())
  }

  /** Once for each change, not at every look. */
  #say(errors: readonly string[]): void {
    const text = errors.join('; ')
    if (text !== '' && text !== this.#lastErrors) this.#parts.logger.error({ job: this.#job.job_name, errors }, 'targets could not be read')
    this.#lastErrors = text
  }
}
