import type { LagView, PartitionLag } from '../domain/ports/lag-view.ts'
import type { MetadataView, MetricMetadata } from '../domain/ports/metadata-view.ts'
import type { EmbeddedLogWriter } from '../engines/embedded/log/log-writer.ts'
import type { Control } from '../projections/series/control.ts'
import { gauge, metricsAsText } from '../telemetry/metrics.ts'
import type { ServiceThread } from './service-thread.ts'

/** Depth and lag of the embedded log, asked and as gauges. */
export class EmbeddedLagView implements LagView {
  readonly #log: EmbeddedLogWriter
  readonly #control: Control

  constructor(log: EmbeddedLogWriter, control: Control) {
    this.#log = log
    this.#control = control
    const perPartition = (name: string, help: string, value: (lag: PartitionLag) => number) => {
      const lags = () => this.#now()
      gauge(name, help, ['topic', 'partition'], function () {
        for (const lag of lags()) this.set({ topic: lag.topic, partition: String(lag.partition) }, value(lag))
      })
    }
    perPartition('tidemark_log_start_offset', 'The oldest record that the event log holds, by partition.', (lag) => lag.startOffset)
    perPartition('tidemark_log_end_offset', 'The next record of the event log, by partition.', (lag) => lag.endOffset)
    perPartition('tidemark_log_lag_records', 'Records that are durable and not yet applied to the head.', (lag) => lag.lagRecords)
    perPartition('tidemark_log_depth_records', 'Records that the event log holds.', (lag) => lag.depthRecords)
    gauge('tidemark_log_bytes', 'Bytes of the event log on disk.', ['topic'], function () {
      this.set({ topic: log.topic }, log.stats().bytes)
    })
  }

  async lags(): Promise<readonly PartitionLag[]> {
    return this.#now()
  }

  #now(): PartitionLag[] {
    return this.#log.stats().partitions.map(({ partition, start, end }) => {
      const appliedOffset = Math.min(this.#control.applied(partition), end)
      return {
        topic: this.#log.topic,
        partition,
        startOffset: start,
        endOffset: end,
        appliedOffset,
        lagRecords: end - appliedOffset,
        depthRecords: end - start,
      }
    })
  }
}

/** Metadata as the projector holds it. */
export class ProjectedMetadata implements MetadataView {
  readonly #projector: Pick<ServiceThread, 'call'>

  constructor(projector: Pick<ServiceThread, 'call'>) {
    this.#projector = projector
  }

  async metadata(metric?: string): Promise<readonly MetricMetadata[]> {
    const all = await this.#projector.call<readonly MetricMetadata[]>('metadata')
    return metric === undefined ? all : all.filter((known) => known.metric === metric)
  }
}

/** The text of /metrics: this thread's metrics and those of the threads beside it, as one. */
export async function metricsText(threads: readonly Pick<ServiceThread, 'metrics'>[]): Promise<string> {
  return metricsAsText(await Promise.all(threads.map((thread) => thread.metrics())))
}
