import type { BlockStore } from '../../domain/ports/block-store.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog } from '../../domain/ports/event-log.ts'
import type { Offset } from '../../domain/position.ts'
import { MINUTE_MS } from '../../domain/time.ts'
import type { Logger } from '../../telemetry/log.ts'
import { counter } from '../../telemetry/metrics.ts'
import { decodeCheckpoint, NO_CHECKPOINT, readCheckpoints } from './checkpoints.ts'
import type { Control } from './control.ts'
import type { HeadMemory } from './head-memory.ts'
import { passingDamage } from './passing-damage.ts'
import { persist } from './persist.ts'
import { SERIES_VERSION, SeriesFold } from './series-fold.ts'
import { tailLog } from './tail.ts'

export interface TailingHeadParts {
  readonly memory: HeadMemory
  readonly control: Control
  readonly store: Pick<BlockStore, 'scan'>
  readonly clock: Clock
  readonly logger: Logger
  readonly rawRetentionMs: number
}

/** A generation that takes nothing more, and waits until blocks hold what is in it. */
interface Waiting {
  readonly generation: number
  readonly through: ReadonlyMap<number, Offset>
}

const LOOK_MS = 1000
/** A generation is closed after so long, so that memory is given back soon after the projectors' checkpoints have passed it. */
const GENERATION_MS = MINUTE_MS
/** Of four generations: one takes samples, one may still be read by a query after it was let go of. */
const WAITING_MAX = 2
const BEGUN_AT_ONCE = 8

const dropped = counter('tidemark_head_generations_dropped_total', 'Generations of the head let go of since checkpoints have passed them.')
const lookFailures = counter('tidemark_head_look_failures_total', 'Looks at the checkpoints that failed and are tried again.')

/**
 * The head of a process that answers and does not project: it folds the whole log from the projectors' checkpoints on, and lets go only
 * of what every partition's checkpoint has passed. So what a query reads from memory and what it reads from blocks leave nothing between
 * them: the catalogue is announced before the generation goes.
 */
export class TailingHead {
  readonly fold: SeriesFold
  readonly #parts: TailingHeadParts
  readonly #partitions: number
  readonly #rows = new Map<number, Uint8Array>()
  readonly #covered = new Map<number, Offset>()
  readonly #waiting: Waiting[] = []
  #generationMs: number

  constructor(parts: TailingHeadParts) {
    this.#parts = parts
    this.#partitions = parts.memory.limits.partitions
    this.fold = new SeriesFold({ ...parts, makeRoom: () => this.#makeRoom() })
    this.#generationMs = parts.clock.monotonicMs()
  }

  /** Restores index, sessions and metadata as of the checkpoints of all partitions. */
  async load(): Promise<void> {
    const { store, clock, logger } = this.#parts
    const rows = passingDamage(store, (error) => logger.error({ error: error.message }, 'the block store is damaged'))
    await this.fold.metadata.load(rows)
    const checkpoints = await readCheckpoints(rows, SERIES_VERSION)
    const nowMs = clock.nowMs()
    const partitions = Array.from({ length: this.#partitions }, (_, partition) => partition)
    for (let start = 0; start < this.#partitions; start += BEGUN_AT_ONCE) {
      await Promise.all(
        partitions.slice(start, start + BEGUN_AT_ONCE).map(async (partition) => {
          const bytes = checkpoints.get(partition)
          const checkpoint = bytes === undefined ? NO_CHECKPOINT : decodeCheckpoint(bytes, partition)
          await this.fold.begin(rows, partition, checkpoint, nowMs)
        }),
      )
    }
    this.#note(checkpoints)
  }

  /** Looks once at how far the projectors have come, and lets go of what blocks hold. */
  async look(): Promise<void> {
    const { store, control } = this.#parts
    for (const partition of this.#note(await readCheckpoints(store, SERIES_VERSION))) control.bumpCatalogue(partition)
    while (this.#waiting.length > 0 && this.#isCovered(this.#waiting[0])) {
      this.fold.head.retire(this.#waiting.shift()!.generation)
      dropped.inc()
    }
    this.#close(GENERATION_MS)
  }

  /** @returns partitions whose checkpoint has changed */
  #note(checkpoints: ReadonlyMap<number, Uint8Array>): number[] {
    const changed: number[] = []
    for (const [partition, bytes] of checkpoints) {
      const known = this.#rows.get(partition)
      if (known !== undefined && Buffer.compare(known, bytes) === 0) continue
      this.#rows.set(partition, bytes)
      this.#covered.set(partition, decodeCheckpoint(bytes, partition).offset)
      changed.push(partition)
    }
    return changed
  }

  #isCovered({ through }: Waiting): boolean {
    return [...through].every(([partition, offset]) => (this.#covered.get(partition) ?? 0) >= offset)
  }

  /** Closes the active generation when it is that old, unless too many wait already. */
  #close(ageMs: number): void {
    const { head } = this.fold
    const nowMs = this.#parts.clock.monotonicMs()
    if (head.sampleCount === 0) this.#generationMs = nowMs
    if (head.sampleCount === 0 || nowMs - this.#generationMs < ageMs) return
    if (this.#waiting.length >= WAITING_MAX || !head.canRotate()) return
    this.#waiting.push({ through: this.fold.positions(), generation: head.rotate() })
    this.#generationMs = nowMs
  }

  /** At the memory bound, with checkpoints standing still: tailing stands still too, and every answer's age says so. */
  async #makeRoom(): Promise<void> {
    const { control, clock, logger } = this.#parts
    const before = this.#waiting.length
    this.#close(0)
    if (this.#waiting.length > before) {
      control.stalled = false
      return
    }
    if (!control.stalled) logger.warn({}, 'the head is full and waits for the projectors: answers grow old until their checkpoints move on')
    control.stalled = true
    await clock.sleep(200)
    await this.lookAgain()
  }

  /** As `look`; a failure is counted and logged, since the next look comes soon. */
  async lookAgain(): Promise<void> {
    try {
      await this.look()
    } catch (error) {
      lookFailures.inc()
      this.#parts.logger.warn({ error: String(error) }, 'the checkpoints can not be read; it is tried again')
    }
  }
}

export interface TailingRunParts {
  readonly log: Pick<EventLog, 'read' | 'ends'>
  readonly head: TailingHead
  readonly control: Control
  readonly clock: Clock
  readonly logger: Logger
}

/** Loads a head and keeps it, until `signal` aborts. Says `ready` when it has applied what the log held at the start. */
export async function runTailingHead({ log, head, control, clock, logger }: TailingRunParts, signal: AbortSignal): Promise<void> {
  const retrying = { clock, logger, signal }
  await persist('restoring the head', () => head.load(), retrying)
  const ends = await persist('asking where the log ends', () => log.ends(), retrying)
  if (ends === null) return
  const onApplied = () => {
    if (!control.ready && [...ends].every(([partition, end]) => control.applied(partition) >= end)) control.ready = true
  }
  onApplied()
  await Promise.all([tailLog({ log, fold: head.fold, control, clock, logger, onApplied }, signal), lookOn(head, clock, signal)])
}

async function lookOn(head: TailingHead, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(LOOK_MS, signal).catch(() => {})
    if (!signal.aborted) await head.lookAgain()
  }
}
