import type { PartitionOwnership } from '../domain/ports/partition-ownership.ts'

/** Where one process projects everything: all partitions are its own, for as long as it runs. */
export function allPartitions(count: number): PartitionOwnership {
  return {
    async *owned(signal) {
      if (signal.aborted) return
      yield Array.from({ length: count }, (_, partition) => partition)
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    },
  }
}
