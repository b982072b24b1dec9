import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'
import { CorruptionError, EngineError } from '../../../domain/errors.ts'
import type { BlockRow, PartitionRef } from '../../../domain/ports/block-store.ts'
import { makeFolderDurably } from '../folders.ts'

/** Version of the tables, in the file's `user_version`; docs/formats/block-store.md. */
const SCHEMA_VERSION = 1
const APPLICATION_ID = 0x544d_4253 // "TMBS"
/** Small pages pack large values best: a value's rest shares its page with others (docs/decisions/0013-embedded-block-store.md). */
const PAGE_BYTES = 4096
const WAL_PAGES_MAX = 4096
const WAL_BYTES_KEPT = 4 * 2 ** 20
const BUSY_MS_MAX = 10_000
const SCAN_ROWS_MAX = 256
const SCAN_BYTES_MAX = 2 ** 20
/** A share of free pages from which returning them to the file system pays. */
const FREE_SHARE_MIN = 0.1
const VACUUM_STEP_PAGES = 1024

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS keys (id INTEGER PRIMARY KEY, tab TEXT NOT NULL, pk TEXT NOT NULL, UNIQUE (tab, pk));
  CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, key INTEGER NOT NULL, ck TEXT NOT NULL, crc INTEGER NOT NULL, value BLOB NOT NULL);
  CREATE UNIQUE INDEX IF NOT EXISTS rows_key_ck ON rows (key, ck);
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};
`

/** Clustering keys with from <= key, after < key, key < to. */
export interface ScanRange {
  readonly from?: string
  readonly after?: string
  readonly to?: string
}

/** One SQLite file of the block store: the rows of one day, or those without a day. */
export class DayFile {
  readonly #path: string
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path
    this.#db = db
  }

  /**
   * Opens the file, and makes it if it is to be written. @returns null for a reader when the file's maker has not finished it yet
   * @throws CorruptionError when it is no database of ours; EngineError otherwise
   */
  static open(path: string, readOnly: boolean): DayFile | null {
    return translated(path, () => {
      const db = new DatabaseSync(path, { readOnly, timeout: BUSY_MS_MAX })
      try {
        if (!prepare(path, db, readOnly)) {
          db.close()
          return null
        }
        return new DayFile(path, db)
      } catch (error) {
        db.close()
        throw error
      }
    })
  }

  put(rows: readonly BlockRow[]): void {
    this.#transaction(() => {
      for (const row of rows) this.#putRow(row, row.clusteringKey, row.value)
    })
  }

  get(partition: PartitionRef, clusteringKey: string): Uint8Array | null {
    return translated(this.#path, () => {
      const row = this.#statement(
        'SELECT r.crc AS crc, r.value AS value FROM keys k JOIN rows r ON r.key = k.id WHERE k.tab = ? AND k.pk = ? AND r.ck = ?',
      ).get(partition.table, partition.partitionKey, clusteringKey)
      return row === undefined ? null : this.#checked(partition, clusteringKey, row)
    })
  }

  /** The first rows of a range: a batch of them. */
  scan(partition: PartitionRef, range: ScanRange): BlockRow[] {
    return translated(this.#path, () => this.#scanBatch(partition, range))
  }

  drop(partition: PartitionRef, from: string, to: string): void {
    this.#transaction(() => {
      this.#statement('DELETE FROM rows WHERE key = (SELECT id FROM keys WHERE tab = ? AND pk = ?) AND ck >= ? AND ck < ?').run(
        partition.table,
        partition.partitionKey,
        from,
        to,
      )
    })
  }

  compareAndSet(partition: PartitionRef, clusteringKey: string, expected: Uint8Array | null, next: Uint8Array): boolean {
    return this.#transaction(() => {
      const held = this.get(partition, clusteringKey)
      const same = held === null || expected === null ? held === expected : Buffer.compare(held, expected) === 0
      if (same) this.#putRow(partition, clusteringKey, next)
      return same
    })
  }

  /** Moves the write-ahead log into the file. */
  checkpoint(): void {
    translated(this.#path, () => this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)'))
  }

  /** Gives back some free pages, if they are many. @returns whether there are more of them */
  vacuumStep(): boolean {
    return translated(this.#path, () => {
      const free = this.#pragma('freelist_count')
      if (free < FREE_SHARE_MIN * this.#pragma('page_count')) return false
      // `exec` alone would stop after the first page: the statement has to be run to its end.
      this.#db.prepare(`PRAGMA incremental_vacuum(${VACUUM_STEP_PAGES})`).all()
      return free > VACUUM_STEP_PAGES
    })
  }

  close(): void {
    this.#statements.clear()
    this.#db.close()
  }

  #scanBatch(partition: PartitionRef, { from = '', after, to }: ScanRange): BlockRow[] {
    const statement = this.#statement(
      `SELECT r.ck AS ck, r.crc AS crc, r.value AS value FROM keys k JOIN rows r ON r.key = k.id
       WHERE k.tab = ? AND k.pk = ? AND r.ck ${after === undefined ? '>=' : '>'} ? ${to === undefined ? '' : 'AND r.ck < ?'} ORDER BY r.ck`,
    )
    const bounds = to === undefined ? [after ?? from] : [after ?? from, to]
    const batch: BlockRow[] = []
    let bytes = 0
    for (const row of statement.iterate(partition.table, partition.partitionKey, ...bounds)) {
      const clusteringKey = String(row.ck)
      // What lies before damage is given first, so that whoever wants to can go on behind it.
      if (batch.length > 0 && !isSound(partition, clusteringKey, row)) break
      const value = this.#checked(partition, clusteringKey, row)
      batch.push({ table: partition.table, partitionKey: partition.partitionKey, clusteringKey, dayOf: partition.dayOf, value })
      bytes += value.length
      if (batch.length >= SCAN_ROWS_MAX || bytes >= SCAN_BYTES_MAX) break
    }
    return batch
  }

  #putRow(partition: PartitionRef, clusteringKey: string, value: Uint8Array): void {
    const { table, partitionKey } = partition
    const find = this.#statement('SELECT id FROM keys WHERE tab = ? AND pk = ?')
    const id =
      find.get(table, partitionKey)?.id ??
      this.#statement('INSERT INTO keys (tab, pk) VALUES (?, ?)').run(table, partitionKey).lastInsertRowid
    this.#statement(
      'INSERT INTO rows (key, ck, crc, value) VALUES (?, ?, ?, ?) ON CONFLICT (key, ck) DO UPDATE SET crc = excluded.crc, value = excluded.value',
    ).run(id, clusteringKey, checksum(partition, clusteringKey, value), value)
  }

  #checked(partition: PartitionRef, clusteringKey: string, row: Record<string, SQLOutputValue>): Uint8Array {
    if (!isSound(partition, clusteringKey, row)) {
      throw new CorruptionError(
        `block store ${this.#path}: row ${JSON.stringify(clusteringKey)} of ${partition.table} ${JSON.stringify(partition.partitionKey)} has a bad checksum`,
        { clusteringKey },
      )
    }
    return row.value
  }

  #transaction<T>(work: () => T): T {
    return translated(this.#path, () => {
      this.#db.exec('BEGIN IMMEDIATE')
      try {
        const result = work()
        this.#db.exec('COMMIT')
        return result
      } catch (error) {
        // A full disk makes SQLite roll back by itself.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
        throw error
      }
    })
  }

  #pragma(name: string): number {
    return Number(this.#db.prepare(`PRAGMA ${name}`).get()?.[name])
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#db.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}

function isSound<Row extends Record<string, SQLOutputValue>>(
  partition: PartitionRef,
  clusteringKey: string,
  row: Row,
): row is Row & { readonly value: Uint8Array } {
  return row.value instanceof Uint8Array && checksum(partition, clusteringKey, row.value) === row.crc
}

/** Covers the row's keys too: a value under another key is as wrong as another value. */
function checksum({ table, partitionKey }: PartitionRef, clusteringKey: string, value: Uint8Array): number {
  return crc32(value, crc32(`${table}\0${partitionKey}\0${clusteringKey}`))
}

/** @returns false for a reader when the tables aren't there yet */
function prepare(path: string, db: DatabaseSync, readOnly: boolean): boolean {
  db.exec('PRAGMA cell_size_check = ON')
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
  if (version > SCHEMA_VERSION) {
    throw new EngineError('SCHEMA_NEWER', `block store ${path} has version ${version}, this Tidemark knows up to ${SCHEMA_VERSION}`, {
      retryable: false,
    })
  }
  if (readOnly) return version === SCHEMA_VERSION
  if (version === 0) {
    // Both count only before the first table is made.
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL;`)
  }
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${WAL_PAGES_MAX};
    PRAGMA journal_size_limit = ${WAL_BYTES_KEPT};`)
  if (version === 0) db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`)
  return true
}

/** SQLite's errors as the port's: damage is named with the file, the rest is the outside world and may pass. */
function translated<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!isSqliteError(error)) throw error
    const primary = error.errcode & 0xff
    const code = CODES[primary]
    if (code === 'CORRUPT') throw new CorruptionError(`block store ${path} is damaged: ${error.message}`, { cause: error })
    throw new EngineError(code ?? 'STORE_FAILED', `block store ${path}: ${error.message}`, { retryable: code !== undefined, cause: error })
  }
}

/** Not by its class: an error of Node's own may come from another realm than ours. */
function isSqliteError(error: unknown): error is { errcode: number; message: string } {
  return typeof error === 'object' && error !== null && 'errcode' in error && typeof error.errcode === 'number'
}

/** By SQLite's primary result code. */
const CODES: Readonly<Record<number, string>> = {
  5: 'STORE_BUSY',
  6: 'STORE_BUSY',
  7: 'STORE_UNAVAILABLE', // out of memory
  8: 'STORE_UNWRITABLE', // read-only
  10: 'STORE_UNAVAILABLE', // disk I/O error
  11: 'CORRUPT',
  13: 'STORE_UNWRITABLE', // disk full
  14: 'STORE_UNAVAILABLE', // can't open
  15: 'STORE_BUSY', // locking protocol
  26: 'CORRUPT', // not a database
}

export function makeFolder(path: string): void {
  try {
    makeFolderDurably(path)
  } catch (cause) {
    throw new EngineError('STORE_UNWRITABLE', `block store ${path}: can't make the folder`, { retryable: true, cause })
  }
}
