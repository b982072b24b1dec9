import { limits } from '../../domain/limits.ts'
import type { BlockRow, BlockStore } from '../../domain/ports/block-store.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { invariant } from '../../stdx/invariant.ts'
import type { SeriesIndex } from './series-index.ts'

/**
 * By (partition, producer session): number -> series. Kept with the checkpoint, as identities in pages of 4,096 numbers, so that a
 * restart understands records whose declarations lie before it.
 */
const PAGE_NUMBERS = 4096
/** No series. */
export const UNDECLARED = 0xffffffff
const TABLE = 'sessions'
/** A session that is silent for so long has to declare again whatever it refers to: several times the declaration interval. */
const IDLE_MS_MAX = 4 * limits.redeclareMs

interface Session {
  series: Uint32Array
  count: number
  readonly dirtyPages: Set<number>
  /** Append time of its newest record. */
  seenMs: TimestampMs
}

export class SessionTables {
  readonly #version: number
  readonly #index: SeriesIndex
  readonly #sessions = new Map<string, Session>()
  /** Pages whose rows are on their way to the store. */
  #pending: [Session, number][] = []

  constructor(version: number, index: SeriesIndex) {
    this.#version = version
    this.#index = index
  }

  declare(partition: number, sessionId: string, number: number, series: number): void {
    const session = this.#session(partition, sessionId)
    if (number >= session.series.length) session.series = grown(session.series, number + 1)
    if (session.series[number] === series) return
    session.series[number] = series
    session.count = Math.max(session.count, number + 1)
    session.dirtyPages.add(Math.floor(number / PAGE_NUMBERS))
  }

  /**
   * Turns a record's numbers into series, in place; one that was never declared (its declaration was damaged) into `UNDECLARED`.
   * @returns how many were declared
   */
  resolve(partition: number, sessionId: string, numbers: Uint32Array, count: number, appendedMs: TimestampMs): number {
    const session = this.#session(partition, sessionId)
    session.seenMs = Math.max(session.seenMs, appendedMs)
    const { series } = session
    let declared = count
    for (let i = 0; i < count; i++) {
      const number = numbers[i]
      const id = number < series.length ? series[number] : UNDECLARED
      if (id === UNDECLARED) declared--
      numbers[i] = id
    }
    return declared
  }

  #session(partition: number, sessionId: string): Session {
    const key = `${partition}/${sessionId}`
    let session = this.#sessions.get(key)
    if (session === undefined) {
      session = { series: new Uint32Array(0), count: 0, dirtyPages: new Set(), seenMs: Number.NEGATIVE_INFINITY }
      this.#sessions.set(key, session)
    }
    return session
  }

  /** Rows that changed since the last call that was settled. */
  changedRows(): BlockRow[] {
    const rows: BlockRow[] = []
    for (const [key, session] of this.#sessions) {
      for (const page of session.dirtyPages) {
        rows.push(this.#pageRow(key, session, page))
        this.#pending.push([session, page])
      }
      session.dirtyPages.clear()
    }
    return rows
  }

  /** Says whether the rows of `changedRows` were stored; if not, they are given again. */
  settle(stored: boolean): void {
    if (!stored) for (const [session, page] of this.#pending) session.dirtyPages.add(page)
    this.#pending = []
  }

  #pageRow(key: string, session: Session, page: number): BlockRow {
    const start = page * PAGE_NUMBERS
    const end = Math.min(session.count, start + PAGE_NUMBERS)
    const value = new Uint8Array(16 * (end - start))
    for (let number = start; number < end; number++) {
      // A number that is not declared yet stays all zero, which is no identity.
      if (session.series[number] !== UNDECLARED) this.#index.writeIdentity(session.series[number], value, 16 * (number - start))
    }
    return {
      table: TABLE,
      partitionKey: `${this.#version}`,
      clusteringKey: `${key}/${page.toString().padStart(6, '0')}`,
      dayOf: null,
      value,
    }
  }

  /** Lets go of sessions that have been silent for long. Called after a flush. */
  async dropIdle(store: Pick<BlockStore, 'drop'>): Promise<void> {
    let newestMs = Number.NEGATIVE_INFINITY
    for (const session of this.#sessions.values()) newestMs = Math.max(newestMs, session.seenMs)
    for (const [key, session] of this.#sessions) {
      // One that was loaded and not heard of since counts from the first record after the start.
      if (session.seenMs === Number.NEGATIVE_INFINITY) session.seenMs = newestMs
      if (newestMs - session.seenMs <= IDLE_MS_MAX) continue
      this.#sessions.delete(key)
      await store.drop({ table: TABLE, partitionKey: `${this.#version}`, dayOf: null }, { from: `${key}/`, to: `${key}0` })
    }
  }

  async load(store: Pick<BlockStore, 'scan'>): Promise<void> {
    for await (const rows of store.scan({ table: TABLE, partitionKey: `${this.#version}`, dayOf: null })) {
      for (const row of rows) {
        const [partition, sessionId, page] = row.clusteringKey.split('/')
        invariant(page !== undefined, `session row ${row.clusteringKey} has three parts`)
        for (let i = 0; i < row.value.length / 16; i++) {
          const series = this.#index.findIdentity(row.value, 16 * i)
          if (series !== -1) this.declare(Number(partition), sessionId, Number(page) * PAGE_NUMBERS + i, series)
        }
      }
    }
    for (const session of this.#sessions.values()) session.dirtyPages.clear()
  }
}

function grown(series: Uint32Array, length: number): Uint32Array {
  const next = new Uint32Array(Math.max(length, 2 * series.length, 1024)).fill(UNDECLARED)
  next.set(series)
  return next
}
