import { CorruptionError } from '../errors.ts'
import type { RecordHeaders } from '../ports/event-log.ts'

/**
 * The first record of `tidemark.operations`: which cluster the topics belong to. A program whose store says another one has been pointed
 * at somebody else's topics.
 */
export interface ClusterFormed {
  /** A UUID, made with the store. */
  readonly clusterId: string
  /** P and S of the partition rule, for this generation of `tidemark.samples`. */
  readonly partitions: number
  readonly spread: number
  readonly generation: number
}

export const CLUSTER_FORMED_TYPE = 'tidemark.cluster.formed.v1'

/** CloudEvents binary-mode headers. */
export function clusterFormedHeaders({ clusterId }: ClusterFormed): RecordHeaders {
  return {
    ce_specversion: '1.0',
    ce_type: CLUSTER_FORMED_TYPE,
    ce_source: `urn:tidemark:cluster:${clusterId}`,
    ce_id: clusterId,
    'content-type': 'application/json',
  }
}

export function encodeClusterFormed({ clusterId, partitions, spread, generation }: ClusterFormed): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ clusterId, partitions, spread, generation }))
}

/** @throws CorruptionError when the record is none of these */
export function decodeClusterFormed(headers: RecordHeaders, payload: Uint8Array): ClusterFormed {
  if (headers.ce_type !== CLUSTER_FORMED_TYPE) {
    throw new CorruptionError(
      `the first record of the operations topic is of type ${headers.ce_type ?? 'none'}, expected ${CLUSTER_FORMED_TYPE}`,
    )
  }
  try {
    const { clusterId, partitions, spread, generation } = JSON.parse(new TextDecoder().decode(payload)) as ClusterFormed // checked below
    if (typeof clusterId === 'string' && [partitions, spread, generation].every(Number.isInteger)) {
      return { clusterId, partitions, spread, generation }
    }
  } catch (cause) {
    throw new CorruptionError('the first record of the operations topic is no JSON', { cause })
  }
  throw new CorruptionError('the first record of the operations topic lacks clusterId, partitions, spread or generation')
}
