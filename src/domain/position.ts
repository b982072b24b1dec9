/** Index of a record within one partition of a topic, from 0. */
export type Offset = number

/** Where a reader stands, or what an append reached: by partition, the offset of the next record to read (one past the last one held). */
export type PartitionOffsets = ReadonlyMap<number, Offset>

/**
 * A position as clients see it: one opaque string of a topic's generation and partition -> next offset.
 * `encodePosition` is stable: equal positions give equal strings.
 */
export type Position = string

export function encodePosition(generation: number, offsets: PartitionOffsets): Position {
  const parts = [...offsets].sort((a, b) => a[0] - b[0]).map(([partition, offset]) => `${partition.toString(36)}.${offset.toString(36)}`)
  return `p${generation.toString(36)}_${parts.join('_')}`
}

/** @returns null if the string is not a position. */
export function decodePosition(position: Position): { generation: number; offsets: Map<number, Offset> } | null {
  const match = /^p([0-9a-z]{1,8})((?:_[0-9a-z]{1,4}\.[0-9a-z]{1,11})*)_?$/.exec(position)
  if (!match) return null
  const offsets = new Map<number, Offset>()
  for (const part of (match[2] as string).split('_').filter(Boolean)) {
    const [partition, offset] = part.split('.') as [string, string]
    offsets.set(Number.parseInt(partition, 36), Number.parseInt(offset, 36))
  }
  return { generation: Number.parseInt(match[1] as string, 36), offsets }
}
