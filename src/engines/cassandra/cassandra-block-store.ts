import { createHash } from 'node:crypto'
import cassandra from 'cassandra-driver'
import { CorruptionError, EngineError } from '../../domain/errors.ts'
import { type BlockRow, type BlockStore, type BlockTable, blockTables, type PartitionRef } from '../../domain/ports/block-store.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import { DAY_MS, type TimestampMs } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter, gauge, histogram } from '../../telemetry/metrics.ts'
import {
  cassandraError,
  closeCassandra,
  connectCassandra,
  isPassing,
  pause,
  retried,
  serialConsistencyOf,
  swappedConsistencyOf,
} from './connection.ts'
import { InFlight } from './in-flight.ts'
import type { CassandraSettings } from './settings.ts'
import { fetchSize, ttlSeconds } from './tables.ts'

export interface CassandraBlockStoreOptions {
  readonly settings: CassandraSettings
  readonly rawRetentionMs: number
  readonly clock: Clock
  readonly logger: Logger
}

const PUTS_AT_ONCE = 64
const PUT_BYTES_AT_ONCE = 16 * 2 ** 20
const READS_AT_ONCE = 64
/** Of one compare-and-set whose outcome stays unknown. */
const SWAP_TRIES = 6
const SWAP_WAIT_MS = 20
/** Of replacing a row that others replace too. */
const REPLACE_TRIES = 20

const requests = histogram(
  'tidemark_cassandra_request_seconds',
  'How long requests to Cassandra took, tries again included.',
  ['kind'],
  [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
)
const failures = counter('tidemark_cassandra_failures_total', 'Requests to Cassandra that failed for good.', ['kind'])
const retries = counter('tidemark_cassandra_retries_total', 'Requests to Cassandra that were tried again.', ['kind'])
const bytesWritten = counter('tidemark_cassandra_written_bytes_total', 'Bytes of values sent to Cassandra.')
const bytesRead = counter('tidemark_cassandra_read_bytes_total', 'Bytes of values read from Cassandra.')
const inFlight = gauge('tidemark_cassandra_in_flight', 'Requests to Cassandra that wait for their answer.', ['kind'])

/**
 * Blocks, catalogue and checkpoints in Cassandra. Rows are (partition key, day) -> clustering key -> value, with a digest of the value
 * beside it: checked on every read, and the condition of a compare-and-set, so that no value travels twice.
 */
export class CassandraBlockStore implements BlockStore {
  readonly #client: cassandra.Client
  readonly #options: CassandraBlockStoreOptions
  readonly #puts = new InFlight(PUTS_AT_ONCE, PUT_BYTES_AT_ONCE)
  readonly #reads = new InFlight(READS_AT_ONCE, Number.POSITIVE_INFINITY)
  readonly #serial: cassandra.types.consistencies
  readonly #swapped: cassandra.types.consistencies

  private constructor(client: cassandra.Client, options: CassandraBlockStoreOptions) {
    this.#client = client
    this.#options = options
    this.#serial = serialConsistencyOf(options.settings.consistency)
    this.#swapped = swappedConsistencyOf(options.settings.consistency)
  }

  /** @throws EngineError that says what to do, such as to run `tidemark migrate` */
  static async open(options: CassandraBlockStoreOptions): Promise<CassandraBlockStore> {
    const { settings, logger } = options
    return new CassandraBlockStore(await connectCassandra(settings, settings.keyspace, logger), options)
  }

  async put(rows: readonly BlockRow[]): Promise<void> {
    let failure: unknown
    // A failure stops what has not begun; what is under way is waited for, so that nothing is written after the answer.
    const putUnlessFailed = async (row: BlockRow) => {
      try {
        if (failure === undefined) await this.#putRow(row)
      } catch (error) {
        failure ??= error
      }
    }
    await Promise.all(rows.map((row) => this.#puts.run(row.value.length, () => putUnlessFailed(row))))
    if (failure !== undefined) throw failure
  }

  async *scan(partition: PartitionRef, range: { from?: string; to?: string } = {}): AsyncGenerator<readonly BlockRow[], void, undefined> {
    const { from, to } = range
    const { table, partitionKey } = partition
    const parameters: unknown[] = [partitionKey, dayOfRow(partition)]
    let query = `SELECT clustering_key, value, digest FROM ${table} WHERE partition_key = ? AND day = ?`
    if (from !== undefined) {
      query += ' AND clustering_key >= ?'
      parameters.push(from)
    }
    if (to !== undefined) {
      query += ' AND clustering_key < ?'
      parameters.push(to)
    }
    let pageState: string | undefined
    do {
      const options = { ...this.#readOptions(table), fetchSize: fetchSize(table), ...(pageState !== undefined && { pageState }) }
      const result = await this.#read('scan', () => this.#client.execute(query, parameters, options))
      if (result.rows.length > 0) {
        yield result.rows.map((row) => {
          const clusteringKey = String(row.clustering_key)
          return { ...partition, clusteringKey, value: this.#checked(partition, clusteringKey, row.value, row.digest) }
        })
      }
      // The driver gives null where there is no more.
      pageState = result.pageState ?? undefined
    } while (pageState !== undefined)
  }

  async get(partition: PartitionRef, clusteringKey: string): Promise<Uint8Array | null> {
    const query = `SELECT value, digest FROM ${partition.table} WHERE partition_key = ? AND day = ? AND clustering_key = ?`
    const parameters = [partition.partitionKey, dayOfRow(partition), clusteringKey]
    const options = this.#readOptions(partition.table)
    const result = await this.#read('get', () => this.#client.execute(query, parameters, options))
    const row = result.first()
    return row === null ? null : this.#checked(partition, clusteringKey, row.value, row.digest)
  }

  async compareAndSet(partition: PartitionRef, clusteringKey: string, expected: Uint8Array | null, next: Uint8Array): Promise<boolean> {
    return this.#swap(partition, clusteringKey, expected === null ? null : digestOf(partition, clusteringKey, expected), next)
  }

  /** Rows go by their time to live: a deletion would leave a tombstone for every read to pass. */
  async drop(): Promise<void> {}

  async expire(): Promise<void> {}

  async compact(): Promise<void> {}

  async close(): Promise<void> {
    await closeCassandra(this.#client)
  }

  async #putRow(row: BlockRow): Promise<void> {
    const { table, partitionKey, clusteringKey, value } = row
    if (blockTables[table].swapped) return this.#replace(row)
    const query = `INSERT INTO ${table} (partition_key, day, clustering_key, value, digest) VALUES (?, ?, ?, ?, ?) USING TTL ?`
    const digest = digestOf(row, clusteringKey, value)
    const parameters = [partitionKey, dayOfRow(row), clusteringKey, bufferOf(value), digest, this.#ttl(row)]
    await this.#run('put', () => this.#client.execute(query, parameters, { isIdempotent: true }))
    bytesWritten.inc(value.length)
  }

  /** What else changes the row goes through Paxos: so must this, or the order of the two would be anybody's guess. */
  async #replace({ value, clusteringKey, ...partition }: BlockRow): Promise<void> {
    const digest = digestOf(partition, clusteringKey, value)
    for (let tries = 1; tries <= REPLACE_TRIES; tries++) {
      const held = await this.#digest(partition, clusteringKey)
      // Where rows expire, one that is put again is to live on: it is replaced by itself.
      if (held?.equals(digest) && blockTables[partition.table].keep === 'always') return
      if (await this.#swap(partition, clusteringKey, held, value)) return
      await pause(SWAP_WAIT_MS * tries)
    }
    throw new EngineError('STORE_BUSY', `row ${clusteringKey} of ${partition.table} was changed by others ${REPLACE_TRIES} times`, {
      retryable: true,
    })
  }

  async #swap(partition: PartitionRef, clusteringKey: string, expected: Buffer | null, next: Uint8Array): Promise<boolean> {
    const { table, partitionKey } = partition
    const digest = digestOf(partition, clusteringKey, next)
    const day = dayOfRow(partition)
    const ttl = this.#ttl(partition)
    const [query, parameters] =
      expected === null
        ? [
            `INSERT INTO ${table} (partition_key, day, clustering_key, value, digest) VALUES (?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?`,
            [partitionKey, day, clusteringKey, bufferOf(next), digest, ttl],
          ]
        : [
            `UPDATE ${table} USING TTL ? SET value = ?, digest = ? WHERE partition_key = ? AND day = ? AND clustering_key = ? IF digest = ?`,
            [ttl, bufferOf(next), digest, partitionKey, day, clusteringKey, expected],
          ]
    const end = begun('swap')
    try {
      for (let tries = 1; ; tries++) {
        try {
          const result = await this.#client.execute(query, parameters, { isIdempotent: false, consistency: this.#swapped })
          if (result.wasApplied()) {
            bytesWritten.inc(next.length)
            return true
          }
          // Refused; if a try before had an unknown outcome, perhaps because of what that one has written.
          return tries > 1 && (await this.#digest(partition, clusteringKey))?.equals(digest) === true
        } catch (error) {
          if (!isPassing(error) || tries >= SWAP_TRIES) throw error
          retries.inc({ kind: 'swap' })
        }
        await pause(SWAP_WAIT_MS * 2 ** tries)
        // A serial read finishes what was begun, so it tells how it ended.
        const held = await this.#digest(partition, clusteringKey)
        if (held?.equals(digest)) return true
        if (held === null ? expected !== null : expected === null || !held.equals(expected)) return false
      }
    } catch (error) {
      failures.inc({ kind: 'swap' })
      throw cassandraError(error, this.#options.settings, `replacing a row of ${table}`)
    } finally {
      end()
    }
  }

  async #digest(partition: PartitionRef, clusteringKey: string): Promise<Buffer | null> {
    const query = `SELECT digest FROM ${partition.table} WHERE partition_key = ? AND day = ? AND clustering_key = ?`
    const parameters = [partition.partitionKey, dayOfRow(partition), clusteringKey]
    const options = { isIdempotent: true, consistency: this.#serial }
    const row = (await this.#run('get', () => this.#client.execute(query, parameters, options))).first()
    return row === null ? null : (row.digest as Buffer)
  }

  #readOptions(table: BlockTable): cassandra.QueryOptions {
    return { isIdempotent: true, ...(blockTables[table].swapped && { consistency: this.#swapped }) }
  }

  #read<T>(kind: 'get' | 'scan', work: () => Promise<T>): Promise<T> {
    return this.#reads.run(0, () => this.#run(kind, work))
  }

  async #run<T>(kind: 'put' | 'get' | 'scan', work: () => Promise<T>): Promise<T> {
    const end = begun(kind)
    try {
      return await retried(work, () => retries.inc({ kind }))
    } catch (error) {
      failures.inc({ kind })
      throw cassandraError(error, this.#options.settings, kind === 'put' ? 'writing' : 'reading')
    } finally {
      end()
    }
  }

  #ttl({ table, dayOf }: PartitionRef): number {
    const { clock, rawRetentionMs } = this.#options
    return ttlSeconds(table, dayOf, clock.nowMs(), rawRetentionMs)
  }

  #checked(partition: PartitionRef, clusteringKey: string, value: Buffer | null, digest: Buffer | null): Uint8Array {
    const { table, partitionKey } = partition
    if (value === null || digest === null || !digestOf(partition, clusteringKey, value).equals(digest)) {
      throw new CorruptionError(
        `cassandra, keyspace ${this.#options.settings.keyspace}: row ${JSON.stringify(clusteringKey)} of ${table} ${JSON.stringify(partitionKey)} has a bad checksum`,
        { clusteringKey },
      )
    }
    bytesRead.inc(value.length)
    // Of its own memory: the driver's buffer is a slice of a whole answer, which it would keep alive.
    return new Uint8Array(value)
  }
}

function begun(kind: string): () => void {
  const end = requests.startTimer({ kind })
  inFlight.inc({ kind })
  return () => {
    inFlight.dec({ kind })
    end()
  }
}

const NO_DAY = -1

function dayOfRow({ dayOf }: { readonly dayOf: TimestampMs | null }): cassandra.types.Long {
  return cassandra.types.Long.fromNumber(dayOf === null ? NO_DAY : Math.floor(dayOf / DAY_MS) * DAY_MS)
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
}

/** 128 bits of SHA-256. Covers the row's keys too: a value under another key is as wrong as another value. */
function digestOf({ table, partitionKey }: PartitionRef, clusteringKey: string, value: Uint8Array): Buffer {
  return createHash('sha256').update(`${table}\0${partitionKey}\0${clusteringKey}\0`).update(value).digest().subarray(0, 16)
}
