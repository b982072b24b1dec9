import type { LagView, PartitionLag } from '../domain/ports/lag-view.ts'
import type { Control } from '../projections/series/control.ts'

/** Lag of this process' head behind the log of a cluster, as far as it has learned the log's ends by reading. */
export class ClusterLagView implements LagView {
  readonly #topic: string
  readonly #control: Control
  readonly #partitions: number

  constructor(topic: string, control: Control, partitions: number) {
    this.#topic = topic
    this.#control = control
    this.#partitions = partitions
  }

  async lags(): Promise<readonly PartitionLag[]> {
    return Array.from({ length: this.#partitions }, (_, partition) => {
      const appliedOffset = this.#control.applied(partition)
      const endOffset = Math.max(appliedOffset, this.#control.durable(partition))
      return {
        topic: this.#topic,
        partition,
        // What the brokers still hold is theirs to tell; what counts here is what waits.
        startOffset: 0,
        endOffset,
        appliedOffset,
        lagRecords: endOffset - appliedOffset,
        depthRecords: endOffset,
      }
    })
  }
}
