import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'

export interface DamagedRow {
  readonly partition: PartitionRef
  readonly clusteringKey: string
}

/** Scans as the store does, but goes on behind a row that is damaged, after telling of it. Damage to more than a row is still thrown. */
export function passingDamage(
  store: Pick<BlockStore, 'scan'>,
  onDamage: (error: CorruptionError, row: DamagedRow) => void,
): Pick<BlockStore, 'scan'> {
  return {
    async *scan(partition, range = {}) {
      for (let next = range; ; ) {
        try {
          yield* store.scan(partition, next)
          return
        } catch (error) {
          if (!(error instanceof CorruptionError) || error.clusteringKey === null) throw error
          onDamage(error, { partition, clusteringKey: error.clusteringKey })
          next = { ...range, from: keyAfter(error.clusteringKey) }
        }
      }
    },
  }
}

/** The least key that is greater. */
export function keyAfter(clusteringKey: string): string {
  return `${clusteringKey}\u0000`
}
