import type { Offset, PartitionOffsets } from '../position.ts'
import type { TimestampMs } from '../time.ts'

/** What stands beside a record's bytes: short, routable without decoding the payload (CloudEvents binary mode). */
export type RecordHeaders = Readonly<Record<string, string>>

export interface RecordToAppend {
  readonly partition: number
  readonly headers: RecordHeaders
  /** The log owns these bytes until the append settles. */
  readonly payload: Uint8Array
}

export interface LogRecord {
  readonly partition: number
  readonly offset: Offset
  /** The log's own clock at append. */
  readonly appendedMs: TimestampMs
  readonly headers: RecordHeaders
  /** The reader's until it asks for the next batch. */
  readonly payload: Uint8Array
}

/** What `read` yields: some records, in offset order within each partition, or a gap that was found. */
export interface LogBatch {
  readonly records: readonly LogRecord[]
  /** A position that fell off the log: records [from, to) of the partition are gone. Reported once, never skipped silently. */
  readonly gaps: readonly { readonly partition: number; readonly from: Offset; readonly to: Offset }[]
  /**
   * Where partitions ended when this was read, as far as the engine learned it by reading: how a reader that appends nothing knows how
   * far behind it is. A batch may bring nothing else.
   */
  readonly ends?: PartitionOffsets
}

/** One topic of a partitioned, durable, ordered log. Kafka, or files in the data folder. */
export interface EventLog {
  readonly topic: string
  readonly partitionCount: number
  /** Raised when P or S change; positions of another generation are not comparable. */
  readonly generation: number

  /**
   * Appends all records or fails whole. Resolves only when every record is durable, with the next offset of each partition that was
   * written. Rejects with an `EngineError`: when it is `retryable`, the outcome may be unknown, and the producer's session must end.
   */
  append(records: readonly RecordToAppend[]): Promise<PartitionOffsets>

  /** Yields everything from the given offsets on, and then waits for more, until `signal` aborts. Sees only what is durable. */
  read(from: PartitionOffsets, signal: AbortSignal): AsyncIterable<LogBatch>

  /** By partition, the oldest offset held. */
  starts(): Promise<PartitionOffsets>
  /** By partition, the next offset to be written (durable ones only). */
  ends(): Promise<PartitionOffsets>
  /** Lets go of records below these offsets, as space is wanted; they may stay readable for a while. */
  trim(before: PartitionOffsets): Promise<void>
  close(): Promise<void>
}
