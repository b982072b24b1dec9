import type { TimestampMs } from '../time.ts'

/**
 * The tables, and what an engine must know of each to lay it out.
 * - `keep`: 'raw': as long as raw samples, from the row's day on; 'fresh': two days from its writing; 'session': nine days from its
 *   writing, longer than any log is kept; 'always': until replaced. Engines with a time to live derive it from this; others are told by `expire` and `drop`.
 * - `swapped`: its rows are replaced by compare-and-set. A `put` into such a table replaces whatever the row holds.
 */
export const blockTables = {
  raw: { keep: 'raw', swapped: false },
  fresh: { keep: 'fresh', swapped: false },
  series: { keep: 'raw', swapped: false },
  catalogue: { keep: 'raw', swapped: true },
  sessions: { keep: 'session', swapped: false },
  checkpoints: { keep: 'always', swapped: true },
  metadata: { keep: 'always', swapped: false },
} as const satisfies Record<string, { keep: 'raw' | 'fresh' | 'session' | 'always'; swapped: boolean }>
export type BlockTable = keyof typeof blockTables

/** One stored value. Keys are strings compared by their UTF-8 bytes. */
export interface BlockRow {
  readonly table: BlockTable
  readonly partitionKey: string
  readonly clusteringKey: string
  /**
   * Any time within the row's data: it decides which day's storage holds the row, and `expire` lets go of it with that day. `null`: kept
   * until replaced. A reader and a writer of one partition key must give the same day.
   */
  readonly dayOf: TimestampMs | null
  readonly value: Uint8Array
}

export interface PartitionRef {
  readonly table: BlockTable
  readonly partitionKey: string
  readonly dayOf: TimestampMs | null
}

/** Blocks, catalogue, checkpoints. Cassandra, or SQLite files in the data folder. */
export interface BlockStore {
  /** Stores all rows durably before it resolves; the same key again replaces. All or nothing is not promised, idempotence is. */
  put(rows: readonly BlockRow[]): Promise<void>
  /** Rows of one partition with from <= clusteringKey < to, in key order, in batches. */
  scan(partition: PartitionRef, range?: { from?: string; to?: string }): AsyncIterable<readonly BlockRow[]>
  get(partition: PartitionRef, clusteringKey: string): Promise<Uint8Array | null>
  /**
   * Says that rows of one partition, from <= clusteringKey < to, are no longer wanted: embedded, they are removed; Cassandra returns at
   * once and lets their time to live do it. So nobody may rely on their absence.
   */
  drop(partition: PartitionRef, range: { from: string; to: string }): Promise<void>
  /** Atomically replaces a small row if it holds `expected` (null: if it is absent). `false`: it held something else. */
  compareAndSet(partition: PartitionRef, clusteringKey: string, expected: Uint8Array | null, next: Uint8Array): Promise<boolean>
  /** Lets go of all rows whose day ended at or before the given time. */
  expire(before: TimestampMs): Promise<void>
  /** Gives back space that dropped rows took, where the engine does not do so by itself. */
  compact(): Promise<void>
  close(): Promise<void>
}
