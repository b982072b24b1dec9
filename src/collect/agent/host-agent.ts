import { Labels } from '../../domain/labels.ts'
import type { AppendSamples } from '../../domain/ports/append-samples.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import { setStaleAt } from '../../domain/sample.ts'
import type { TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter } from '../../telemetry/metrics.ts'
import { machineMetadata, machineReaders } from './machine-metrics.ts'
import type { MachineFiles } from './procfs.ts'

export interface HostAgentParts {
  readonly files: MachineFiles
  readonly append: AppendSamples
  readonly clock: Clock
  readonly logger: Logger
  readonly intervalMs: number
  /** Labels of every series; `job="node"` and the host's name as `instance` by default. */
  readonly labels: Readonly<Record<string, string>>
}

const GRID_TOLERANCE_MS = 2
const readings = counter('tidemark_agent_readings_total', 'Readings of this machine by result.', ['result'])

/** Reads this machine's numbers on a grid of its interval and appends them. */
export class HostAgent {
  readonly #parts: HostAgentParts
  readonly #labels = new Map<string, Labels>()
  readonly #ended = new AbortController()
  #alive = new Set<Labels>()
  #running: Promise<void> = Promise.resolve()
  #metadataSent = false

  constructor(parts: HostAgentParts) {
    this.#parts = parts
  }

  start(): void {
    this.#running = this.#run(this.#ended.signal)
  }

  async stop(): Promise<void> {
    this.#ended.abort()
    await this.#running
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs, logger } = this.#parts
    // At once, then on the grid: the first numbers are wanted now, and a rate needs two.
    let next = clock.nowMs()
    while (!signal.aborted) {
      try {
        const now = clock.nowMs()
        await this.readOnce(now - next <= GRID_TOLERANCE_MS ? next : now)
        readings.inc({ result: 'appended' })
      } catch (error) {
        readings.inc({ result: 'failed' })
        logger.warn({ error: (error as Error).message }, 'the numbers of this machine could not be appended')
      }
      next = (Math.floor(clock.nowMs() / intervalMs) + 1) * intervalMs
      await clock.sleep(next - clock.nowMs(), signal).catch(() => {})
    }
  }

  /** Reads and appends once. Series that are gone since the last time end with a staleness marker. */
  async readOnce(time: TimestampMs): Promise<void> {
    const started = this.#parts.clock.monotonicMs()
    const labels: Labels[] = []
    const values: number[] = []
    const emit = (metric: string, value: number, ...pairs: string[]) => {
      if (!Number.isFinite(value)) return
      labels.push(this.#series(metric, pairs))
      values.push(value)
    }
    for (const read of machineReaders) await read(this.#parts.files, emit)
    emit('node_time_seconds', time / 1000)
    const scraped = labels.length
    emit('up', 1)
    emit('scrape_samples_scraped', scraped)
    emit('scrape_duration_seconds', (this.#parts.clock.monotonicMs() - started) / 1000)
    const alive = new Set(labels)
    const gone = [...this.#alive].filter((series) => !alive.has(series))
    const columns = Float64Array.from([...values, ...gone.map(() => 0)])
    const bits = new Uint32Array(columns.buffer)
    for (let i = values.length; i < columns.length; i++) setStaleAt(bits, i)
    const all = [...labels, ...gone]
    await this.#parts.append.appendSamples(
      { labels: all, times: new Float64Array(all.length).fill(time), values: columns, metadata: this.#metadata(labels) },
      'agent',
    )
    this.#alive = alive
    this.#metadataSent = true
  }

  #series(metric: string, pairs: readonly string[]): Labels {
    const key = `${metric}\u0000${pairs.join('\u0000')}`
    let labels = this.#labels.get(key)
    if (labels === undefined) {
      const entries: [string, string][] = [...Object.entries(this.#parts.labels), ['__name__', metric]]
      for (let i = 0; i < pairs.length; i += 2) entries.push([pairs[i], pairs[i + 1]])
      labels = Labels.fromEntries(entries)
      this.#labels.set(key, labels)
    }
    return labels
  }

  #metadata(labels: readonly Labels[]): MetricMetadata[] {
    if (this.#metadataSent) return []
    return [...new Set(labels.map((series) => series.metric))].filter((metric) => metric.startsWith('node_')).map(machineMetadata)
  }
}
