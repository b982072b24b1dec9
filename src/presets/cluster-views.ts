import type { LagView, PartitionLag } from '../domain/ports/lag-view.ts'
import type { PartitionOffsets } from '../domain/position.ts'
import type { Control } from '../projections/series/control.ts'
import type { ServiceThread } from './service-thread.ts'

/** Lag of this process' head behind the log of a cluster, as far as it has learned the log's ends by reading. */
export class ClusterLagView implements LagView {
  readonly #topic: string
  readonly #control: Control
  /** That keeps the head, and asks the brokers. */
  readonly #head: Pick<ServiceThread, 'call'>

  constructor(topic: string, control: Control, head: Pick<ServiceThread, 'call'>) {
    this.#topic = topic
    this.#control = control
    this.#head = head
  }

  async lags(): Promise<readonly PartitionLag[]> {
    const starts = await this.#head.call<PartitionOffsets>('logStarts')
    return [...starts].map(([partition, startOffset]) => {
      const appliedOffset = this.#control.applied(partition)
      const endOffset = Math.max(startOffset, appliedOffset, this.#control.durable(partition))
      return {
        topic: this.#topic,
        partition,
        startOffset,
        endOffset,
        appliedOffset,
        lagRecords: endOffset - appliedOffset,
        depthRecords: endOffset - startOffset,
      }
    })
  }
}
