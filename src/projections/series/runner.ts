import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog } from '../../domain/ports/event-log.ts'
import type { PartitionOwnership } from '../../domain/ports/partition-ownership.ts'
import type { Logger } from '../../telemetry/log.ts'
import type { Control } from './control.ts'
import { persist } from './persist.ts'
import type { SeriesProjection } from './series-projection.ts'
import { tailLog } from './tail.ts'

export interface RunnerParts {
  readonly log: Pick<EventLog, 'read' | 'starts' | 'ends'>
  readonly ownership: PartitionOwnership
  readonly projection: SeriesProjection
  readonly control: Control
  readonly clock: Clock
  readonly logger: Logger
}

const MAINTAIN_MS = 1000
/** A partition that another one has taken although it is ours by the group is left to it for so long: by then the group has settled. */
const RETAKE_MS = 5000

/**
 * Tails the log into the projection until `signal` aborts, for the partitions that this process owns:
 * 1. What it no longer owns is let go of; what it newly owns is taken, from its checkpoint.
 * 2. All that is held is read, until ownership changes; what is held before and after just goes on.
 * 3. At the end the head is written to the store before the partitions are left to others, so that they read less.
 * Says `ready` when it has applied what the log held at the start. Work that is due by the clock goes on beside it.
 */
export async function runProjection(parts: RunnerParts, signal: AbortSignal): Promise<void> {
  await new Runner(parts, signal).run()
}

class Runner {
  readonly #parts: RunnerParts
  readonly #signal: AbortSignal
  readonly #retakeMs = new Map<number, number>()
  #owned: readonly number[] | null = null
  /** Aborted when what is owned has changed. */
  #reading = new AbortController()
  readonly #leaving = new AbortController()

  constructor(parts: RunnerParts, signal: AbortSignal) {
    this.#parts = parts
    this.#signal = signal
    signal.addEventListener('abort', () => this.#change(), { once: true })
    parts.projection.onLost = (partition) => this.#lost(partition)
  }

  async run(): Promise<void> {
    const { projection } = this.#parts
    await this.#persist('restoring the projection', () => projection.load())
    const following = this.#follow()
    await Promise.all([this.#readOn(), this.#maintain(), Promise.race([following, this.#ended()])])
    await this.#flushAtEnd()
    this.#leaving.abort()
    await following
  }

  async #readOn(): Promise<void> {
    while (!this.#signal.aborted) await this.#read()
  }

  #ended(): Promise<unknown> {
    return new Promise((resolve) =>
      this.#signal.aborted ? resolve(null) : this.#signal.addEventListener('abort', resolve, { once: true }),
    )
  }

  async #flushAtEnd(): Promise<void> {
    const { projection, logger } = this.#parts
    try {
      await projection.flush()
    } catch (error) {
      logger.warn({ error: String(error) }, 'the head could not be written at the end; the next start reads it from the log')
    }
  }

  /** A partition is another's: it is left alone for a while, and looked at again. */
  #lost(partition: number): void {
    const { clock } = this.#parts
    this.#retakeMs.set(partition, clock.monotonicMs() + RETAKE_MS)
    clock.sleep(RETAKE_MS, this.#signal).then(
      () => this.#change(),
      () => {},
    )
    this.#change()
  }

  #change(): void {
    this.#reading.abort()
  }

  async #follow(): Promise<void> {
    for await (const owned of this.#parts.ownership.owned(this.#leaving.signal)) {
      this.#owned = owned
      this.#change()
    }
  }

  /** Sets right what is held, and reads until that changes. */
  async #read(): Promise<void> {
    const { log, projection, control, clock, logger } = this.#parts
    this.#reading = new AbortController()
    const { signal } = this.#reading
    if (this.#signal.aborted) return
    const owned = this.#owned
    if (owned !== null) await this.#settle(owned)
    const held = projection.held()
    const ends = await this.#persist('asking where the log ends', () => log.ends())
    if (ends === null) return
    const caughtUp = () => owned?.every((partition) => held.includes(partition) && control.applied(partition) >= (ends.get(partition) ?? 0))
    const onApplied = () => {
      if (!control.ready && caughtUp()) control.ready = true
    }
    onApplied()
    control.publishApplied()
    if (held.length === 0)
      await new Promise((resolve) => (signal.aborted ? resolve(null) : signal.addEventListener('abort', resolve, { once: true })))
    else await tailLog({ log, fold: projection.fold, control, clock, logger, onApplied }, signal)
  }

  async #settle(owned: readonly number[]): Promise<void> {
    const { log, projection, clock, logger } = this.#parts
    for (const partition of projection.held()) if (!owned.includes(partition)) projection.release(partition)
    const missing = owned.filter((partition) => !projection.held().includes(partition))
    const due = missing.filter((partition) => (this.#retakeMs.get(partition) ?? 0) <= clock.monotonicMs())
    if (due.length === 0) return
    const starts = await this.#persist('asking where the log begins', () => log.starts())
    for (const partition of due) {
      // Ownership may change meanwhile; then all is looked at again.
      if (this.#reading.signal.aborted || starts === null) return
      await this.#persist(`taking partition ${partition}`, () => projection.take(partition, starts.get(partition) ?? 0))
    }
    logger.info({ partitions: projection.held() }, 'projecting')
  }

  async #maintain(): Promise<void> {
    const { projection, clock } = this.#parts
    try {
      for (;;) {
        await clock.sleep(MAINTAIN_MS, this.#signal)
        await projection.maintain()
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error
    }
  }

  #persist<T>(doing: string, work: () => Promise<T>): Promise<T | null> {
    const { clock, logger } = this.#parts
    return persist(doing, work, { clock, logger, signal: this.#signal })
  }
}
