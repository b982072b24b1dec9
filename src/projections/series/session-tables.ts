import { limits } from '../../domain/limits.ts'
import type { BlockRow, BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'
import { HOUR_MS, type TimestampMs } from '../../domain/time.ts'
import { invariant } from '../../stdx/invariant.ts'
import type { SeriesIndex } from './series-index.ts'

/**
 * By (partition, producer session): number -> series. Kept with the checkpoint, as identities in pages of 4,096 numbers, so that a
 * restart understands records whose declarations lie before it.
 *
 * Rows stand in periods: within one, only pages that have changed are written; with a new one, all of every session that is still heard
 * of. The checkpoint names the period that is whole. So dead sessions go with their period, and nothing need be deleted row by row.
 */
const PAGE_NUMBERS = 4096
const PERIOD_MS = 12 * HOUR_MS
/** No series. */
export const UNDECLARED = 0xffffffff
/** A session that is silent for so long has to declare again whatever it refers to: several times the declaration interval. */
const IDLE_MS_MAX = 4 * limits.redeclareMs

export function sessionsPeriodOf(nowMs: TimestampMs): number {
  return Math.floor(nowMs / PERIOD_MS)
}

/** Where the session tables of a log partition are as of a period. */
export function sessionsRef(version: number, partition: number, period: number): PartitionRef {
  return { table: 'sessions', partitionKey: `${version}/${partition}/${period}`, dayOf: null }
}

interface Session {
  readonly partition: number
  readonly id: string
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
  /** By partition: the period whose rows are whole. */
  readonly #periods = new Map<number, number>()
  #pendingPeriods = new Map<number, number>()
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
      session = {
        partition,
        id: sessionId,
        series: new Uint32Array(0),
        count: 0,
        dirtyPages: new Set(),
        seenMs: Number.NEGATIVE_INFINITY,
      }
      this.#sessions.set(key, session)
    }
    return session
  }

  /** Rows of the given partitions that changed since the last call that was settled; in a new period all rows. */
  changedRows(partitions: ReadonlySet<number>, period: number): BlockRow[] {
    const rows: BlockRow[] = []
    for (const session of this.#sessions.values()) {
      if (!partitions.has(session.partition)) continue
      if (this.#periods.get(session.partition) !== period) {
        for (let page = 0; page * PAGE_NUMBERS < session.count; page++) session.dirtyPages.add(page)
      }
      for (const page of session.dirtyPages) {
        rows.push(this.#pageRow(session, page, period))
        this.#pending.push([session, page])
      }
      session.dirtyPages.clear()
    }
    this.#pendingPeriods = new Map([...partitions].map((partition) => [partition, period]))
    return rows
  }

  /** Says whether the rows of `changedRows` were stored; if not, they are given again. */
  settle(stored: boolean): void {
    if (stored) for (const [partition, period] of this.#pendingPeriods) this.#periods.set(partition, period)
    else for (const [session, page] of this.#pending) session.dirtyPages.add(page)
    this.#pending = []
    this.#pendingPeriods = new Map()
  }

  #pageRow({ partition, id, count, series }: Session, page: number, period: number): BlockRow {
    const start = page * PAGE_NUMBERS
    const end = Math.min(count, start + PAGE_NUMBERS)
    const value = new Uint8Array(16 * (end - start))
    for (let number = start; number < end; number++) {
      // A number that is not declared yet stays all zero, which is no identity.
      if (series[number] !== UNDECLARED) this.#index.writeIdentity(series[number], value, 16 * (number - start))
    }
    return { ...sessionsRef(this.#version, partition, period), clusteringKey: `${id}/${page.toString().padStart(6, '0')}`, value }
  }

  /** Lets go of sessions that have been silent for long. Called after a flush. */
  dropIdle(): void {
    const newestMs = new Map<number, TimestampMs>()
    for (const { partition, seenMs } of this.#sessions.values()) {
      newestMs.set(partition, Math.max(newestMs.get(partition) ?? Number.NEGATIVE_INFINITY, seenMs))
    }
    for (const [key, session] of this.#sessions) {
      const newest = newestMs.get(session.partition)!
      // One that was loaded and not heard of since counts from the first record after the start.
      if (session.seenMs === Number.NEGATIVE_INFINITY) session.seenMs = newest
      if (newest - session.seenMs > IDLE_MS_MAX) this.#sessions.delete(key)
    }
  }

  /** Forgets a partition. */
  release(partition: number): void {
    this.#periods.delete(partition)
    for (const [key, session] of this.#sessions) if (session.partition === partition) this.#sessions.delete(key)
  }

  /** Takes what was stored of a partition in a period. */
  async load(store: Pick<BlockStore, 'scan'>, partition: number, period: number): Promise<void> {
    for await (const rows of store.scan(sessionsRef(this.#version, partition, period))) {
      for (const row of rows) {
        const [sessionId, page] = row.clusteringKey.split('/')
        invariant(page !== undefined, `session row ${row.clusteringKey} has two parts`)
        for (let i = 0; i < row.value.length / 16; i++) {
          const series = this.#index.findIdentity(row.value, 16 * i)
          if (series !== -1) this.declare(partition, sessionId, Number(page) * PAGE_NUMBERS + i, series)
        }
      }
    }
    for (const session of this.#sessions.values()) if (session.partition === partition) session.dirtyPages.clear()
    this.#periods.set(partition, period)
  }
}

function grown(series: Uint32Array, length: number): Uint32Array {
  const next = new Uint32Array(Math.max(length, 2 * series.length, 1024)).fill(UNDECLARED)
  next.set(series)
  return next
}
