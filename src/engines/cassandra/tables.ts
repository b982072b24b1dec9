import { type BlockTable, blockTables } from '../../domain/ports/block-store.ts'
import { DAY_MS, HOUR_MS, type TimestampMs } from '../../domain/time.ts'

/**
 * One table of Cassandra for each table of the port. Rows that expire do so by their time to live, in windows of compaction that expire
 * whole: nothing is ever deleted, so no read meets a tombstone.
 */
const WINDOWS = { raw: ['HOURS', 12], fresh: ['HOURS', 3], session: ['HOURS', 12] } as const
const FRESH_MS = 2 * DAY_MS
const SESSION_MS = 9 * DAY_MS
/** Beyond the retention: time for what reads at its very end, and for clocks that differ. */
const GRACE_MS = 2 * DAY_MS
const TTL_MS_MIN = HOUR_MS
/** Cassandra takes no more: 20 years. */
const TTL_SECONDS_MAX = 630_720_000
/**
 * What has expired may go after so long: as long as hints are kept for a node that is down. Rows that expire are never deleted nor made
 * to live shorter, so nothing can come back to life.
 */
const GRACE_SECONDS = 3 * 3600

/** Bytes of a row of the table at most, for how many are fetched at once. */
const ROW_BYTES: Readonly<Record<BlockTable, number>> = {
  raw: 64 * 1024,
  fresh: 64 * 1024,
  series: 256 * 1024,
  catalogue: 64 * 1024,
  sessions: 64 * 1024,
  checkpoints: 4 * 1024,
  metadata: 512,
}
const FETCH_BYTES = 4 * 2 ** 20

export const tableNames = Object.keys(blockTables) as BlockTable[]

/** How many rows a page of a scan has. */
export function fetchSize(table: BlockTable): number {
  return Math.min(1000, FETCH_BYTES / ROW_BYTES[table])
}

/** Seconds that a row lives; 0: for ever. */
export function ttlSeconds(table: BlockTable, dayOf: TimestampMs | null, nowMs: TimestampMs, rawRetentionMs: number): number {
  const { keep } = blockTables[table]
  if (keep === 'always') return 0
  if (keep === 'fresh') return FRESH_MS / 1000
  if (keep === 'session') return SESSION_MS / 1000
  const endMs = (dayOf ?? nowMs) + DAY_MS + rawRetentionMs + GRACE_MS
  return Math.min(TTL_SECONDS_MAX, Math.ceil(Math.max(TTL_MS_MIN, endMs - nowMs) / 1000))
}

/** The statement that makes a table. */
export function createTable(keyspace: string, table: BlockTable): string {
  const { keep, swapped } = blockTables[table]
  const compaction =
    keep === 'always'
      ? `{'class': 'SizeTieredCompactionStrategy'}`
      : `{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': '${WINDOWS[keep][0]}', 'compaction_window_size': ${WINDOWS[keep][1]}}`
  // JSON and fresh pages are worth packing; the others are packed already, or hashes.
  const isPacked = table === 'raw' || table === 'series' || table === 'sessions'
  const compression = isPacked ? `{'enabled': false}` : `{'class': 'LZ4Compressor', 'chunk_length_in_kb': 16}`
  // Read repair would carry old rows into new windows, and keep those from expiring whole.
  const expiring = keep === 'always' ? '' : ` AND gc_grace_seconds = ${GRACE_SECONDS}${swapped ? '' : ` AND read_repair = 'NONE'`}`
  return (
    `CREATE TABLE IF NOT EXISTS ${keyspace}.${table} (partition_key text, day bigint, clustering_key text, value blob, digest blob, ` +
    `PRIMARY KEY ((partition_key, day), clustering_key)) WITH CLUSTERING ORDER BY (clustering_key ASC) ` +
    `AND compaction = ${compaction} AND compression = ${compression}${expiring}`
  )
}
