import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { EngineError } from '../../../domain/errors.ts'
import type { BlockRow, BlockStore, PartitionRef } from '../../../domain/ports/block-store.ts'
import { DAY_MS, type TimestampMs } from '../../../domain/time.ts'
import { invariant } from '../../../stdx/invariant.ts'
import { syncFolder } from '../folders.ts'
import { DayFile, makeFolder, type ScanRange } from './day-file.ts'

export interface BlockStoreOptions {
  /** Its own folder; made if absent, unless `readOnly`. */
  readonly dir: string
  /** For threads beside the writer's: sees what the writer has put, at once, and never writes. */
  readonly readOnly?: boolean
  /** Day files held open; 8 when left out. */
  readonly openFilesMax?: number
}

const META = 'meta.db'
const DAY_NAME = /^(\d{4}-\d\d-\d\d)\.db(?:-wal|-shm)?$/

interface OpenFile {
  readonly file: DayFile
  readonly inode: bigint
}

/**
 * Blocks, catalogue and checkpoints in SQLite files: `YYYY-MM-DD.db` for each UTC day, `meta.db` for rows without one. A day is let go
 * of by unlinking its file. Every method is synchronous inside; those named `...Sync` say so, for callers that count promises.
 */
export class SqliteBlockStore implements BlockStore {
  readonly #dir: string
  readonly #readOnly: boolean
  readonly #openFilesMax: number
  /** In order of last use. */
  readonly #files = new Map<string, OpenFile>()
  #closed = false

  private constructor(options: BlockStoreOptions) {
    this.#dir = options.dir
    this.#readOnly = options.readOnly ?? false
    this.#openFilesMax = options.openFilesMax ?? 8
  }

  static open(options: BlockStoreOptions): SqliteBlockStore {
    if (!options.readOnly) makeFolder(options.dir)
    return new SqliteBlockStore(options)
  }

  async put(rows: readonly BlockRow[]): Promise<void> {
    this.putSync(rows)
  }

  /** One transaction for each file, the one of rows without a day last: checkpoints come after what they cover. */
  putSync(rows: readonly BlockRow[]): void {
    const byFile = new Map<string, BlockRow[]>()
    for (const row of rows) {
      const name = fileName(row.dayOf)
      const group = byFile.get(name)
      if (group) group.push(row)
      else byFile.set(name, [row])
    }
    const meta = byFile.get(META)
    byFile.delete(META)
    for (const [name, group] of byFile) this.#write(name, (file) => file.put(group))
    if (meta) this.#write(META, (file) => file.put(meta))
  }

  async *scan(partition: PartitionRef, range: ScanRange = {}): AsyncGenerator<readonly BlockRow[], void, undefined> {
    yield* this.scanSync(partition, range)
  }

  *scanSync(partition: PartitionRef, range: ScanRange = {}): Generator<readonly BlockRow[], void, undefined> {
    const name = fileName(partition.dayOf)
    let after: ScanRange = range
    for (;;) {
      // The file is looked up for each batch: while the caller was busy it may have been closed, for another one's sake or for good.
      const batch = this.#open(name)?.scan(partition, after)
      if (batch === undefined || batch.length === 0) return
      yield batch
      after = { after: (batch.at(-1) as BlockRow).clusteringKey, to: range.to }
    }
  }

  async get(partition: PartitionRef, clusteringKey: string): Promise<Uint8Array | null> {
    return this.getSync(partition, clusteringKey)
  }

  getSync(partition: PartitionRef, clusteringKey: string): Uint8Array | null {
    return this.#open(fileName(partition.dayOf))?.get(partition, clusteringKey) ?? null
  }

  async drop(partition: PartitionRef, range: { from: string; to: string }): Promise<void> {
    if (this.#open(fileName(partition.dayOf))) this.#write(fileName(partition.dayOf), (file) => file.drop(partition, range.from, range.to))
  }

  async compareAndSet(partition: PartitionRef, clusteringKey: string, expected: Uint8Array | null, next: Uint8Array): Promise<boolean> {
    return this.#write(fileName(partition.dayOf), (file) => file.compareAndSet(partition, clusteringKey, expected, next))
  }

  async expire(before: TimestampMs): Promise<void> {
    this.#mayWrite()
    for (const name of this.#list()) {
      const day = DAY_NAME.exec(name)?.[1]
      if (day === undefined || Date.parse(`${day}T00:00:00Z`) + DAY_MS > before) continue
      this.#close(`${day}.db`)
      rmSync(join(this.#dir, name), { force: true })
    }
  }

  /** Moves write-ahead logs into their files and gives free pages back, a little at a time. */
  async compact(): Promise<void> {
    this.#mayWrite()
    for (const name of this.#list()) {
      if (name !== META && !/^\d{4}-\d\d-\d\d\.db$/.test(name)) continue
      while (!this.#closed && this.#open(name)?.vacuumStep()) await setImmediate()
      if (this.#closed) return
      this.#open(name)?.checkpoint()
      await setImmediate()
    }
  }

  /** Of all its files. */
  bytes(): number {
    return this.#list().reduce((sum, name) => sum + (statSync(join(this.#dir, name), { throwIfNoEntry: false })?.size ?? 0), 0)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const name of [...this.#files.keys()]) this.#close(name)
  }

  #write<T>(name: string, work: (file: DayFile) => T): T {
    this.#mayWrite()
    const file = this.#open(name, true)
    invariant(file !== null, 'a writer makes the files that it wants')
    try {
      return work(file)
    } catch (error) {
      // After a failed write, what the handle believes of its file isn't worth much. The next use opens it anew.
      if (error instanceof EngineError) this.#close(name)
      throw error
    }
  }

  /** @returns null when there is no such file, and it is not to be made: a look at an empty day leaves no file behind */
  #open(name: string, make = false): DayFile | null {
    if (this.#closed) throw new EngineError('STORE_CLOSED', `block store ${this.#dir} is closed`, { retryable: false })
    const path = join(this.#dir, name)
    const known = this.#files.get(name)
    const inode = statSync(path, { throwIfNoEntry: false, bigint: true })?.ino
    if (known !== undefined) {
      this.#files.delete(name)
      if (known.inode === inode) {
        this.#files.set(name, known)
        return known.file
      }
      // The day was let go of, and perhaps begun anew.
      known.file.close()
    }
    if (!make && inode === undefined) return null
    const file = DayFile.open(path, this.#readOnly)
    if (file === null) return null
    if (inode === undefined) syncFolder(this.#dir)
    this.#files.set(name, { file, inode: inode ?? statSync(path, { bigint: true }).ino })
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= this.#openFilesMax) break
      this.#close(oldest)
    }
    return file
  }

  #close(name: string): void {
    this.#files.get(name)?.file.close()
    this.#files.delete(name)
  }

  #list(): string[] {
    return readdirSync(this.#dir)
  }

  #mayWrite(): void {
    invariant(!this.#readOnly, 'the block store was opened for reading')
  }
}

function fileName(dayOf: TimestampMs | null): string {
  return dayOf === null ? META : `${new Date(dayOf).toISOString().slice(0, 10)}.db`
}
