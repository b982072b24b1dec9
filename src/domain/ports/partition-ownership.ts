/** Shares the partitions of a topic among the processes that project it. */
export interface PartitionOwnership {
  /**
   * Joins, and yields the partitions that this process owns, sorted: when it first knows, and again at every change, an empty list too.
   * When `signal` aborts it leaves, so that others take over at once, and ends. A partition that is owned before and after a change is
   * named both times; its owner just goes on.
   *
   * While a change is under way, or after a process was stopped for long, two may believe that they own the same partition: whoever
   * writes for it guards himself by an epoch and compare-and-set.
   */
  owned(signal: AbortSignal): AsyncIterable<readonly number[]>
}
