import { EngineError } from '../../domain/errors.ts'
import { decodeMembershipEvent, encodeMembershipEvent, type MembershipEvent } from '../../domain/events/membership-events.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { EventLog, LogRecord } from '../../domain/ports/event-log.ts'
import type { Membership } from '../../domain/ports/membership.ts'
import type { Logger } from '../../telemetry/log.ts'
import { MembersView } from './members-view.ts'

export interface LogMembershipParts {
  /** MEMBERSHIP_TOPIC. */
  readonly log: Pick<EventLog, 'append' | 'read' | 'starts' | 'ends'>
  /** Unique to this process, never used again by another. */
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
}

export const HEARTBEAT_MS = 2000
/** Who is silent for so long is dead. */
export const DEAD_AFTER_MS = 6000

/** One partition, so one order: members that read the same record know the same. */
const PARTITION = 0
/** More records than a thousand members write until they are taken for dead. */
const LOOK_BACK_RECORDS = 5000
const LOOK_MS = 250
const RETRY_MS = 500
const GOOD_BYE_MS = 2000

/**
 * Membership by signs of life in the event log: each member appends one every two seconds and reads everybody's.
 *
 * - A joiner knows the members when its own first sign comes back to it: everything before is read then. The others learn of it from the
 *   same record, so a change reaches all within a moment.
 * - Silence counts only while this member's own signs come back, so while the log is away everybody keeps the view that he has.
 * - Who was stopped so long that the others took it for dead yields an empty list on waking, until a new sign of its own has come back.
 */
export class LogMembership implements Membership {
  readonly #parts: LogMembershipParts
  readonly #view: MembersView
  #sequence = 0
  #lastLookMs = 0
  #told: readonly string[] | null = null
  #failure: unknown = null
  #wake: () => void = () => {}

  constructor(parts: LogMembershipParts) {
    this.#parts = parts
    this.#view = new MembersView(parts.name, HEARTBEAT_MS, DEAD_AFTER_MS)
  }

  async *members(signal: AbortSignal): AsyncGenerator<readonly string[], void, undefined> {
    const ending = new AbortController()
    const both = AbortSignal.any([signal, ending.signal])
    this.#lastLookMs = this.#parts.clock.monotonicMs()
    const running = Promise.all([this.#read(both), this.#announce(both), this.#watch(both)]).catch((error: unknown) => {
      this.#failure = error
      ending.abort()
      this.#wake()
    })
    const wake = () => this.#wake()
    both.addEventListener('abort', wake)
    try {
      while (!signal.aborted) {
        if (this.#failure !== null) throw this.#failure
        const members = this.#view.members(this.#parts.clock.monotonicMs())
        if (members !== null && !sameNames(members, this.#told)) {
          this.#told = members
          yield members
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
        }
      }
    } finally {
      ending.abort()
      await running
    }
  }

  /** Signs of life until the end; then the good-bye. */
  async #announce(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#parts
    let failing = false
    while (!signal.aborted) {
      try {
        await this.#append('CollectorSeen')
        if (failing) logger.info({}, 'signs of life reach the log again')
        failing = false
        await clock.sleep(HEARTBEAT_MS, signal).catch(() => {})
      } catch (error) {
        if (!isRetryable(error)) throw error
        if (!failing)
          logger.warn({ error: String(error) }, 'the log does not take signs of life: the view of the other collectors stands still')
        failing = true
        await clock.sleep(RETRY_MS, signal).catch(() => {})
      }
    }
    const waiting = new AbortController()
    const said = this.#append('CollectorLeft').catch((error: unknown) =>
      logger.debug({ error: String(error) }, 'the good-bye did not reach the log'),
    )
    await Promise.race([said, clock.sleep(GOOD_BYE_MS, waiting.signal).catch(() => {})])
    waiting.abort()
  }

  async #append(type: MembershipEvent['type']): Promise<void> {
    // What is announced from here on proves that this process runs.
    this.#look()
    const event = encodeMembershipEvent({ type, name: this.#parts.name, sequence: ++this.#sequence })
    await this.#parts.log.append([{ partition: PARTITION, ...event }])
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { clock, log, logger } = this.#parts
    let next: number | null = null
    while (!signal.aborted) {
      try {
        next ??= await this.#beginning()
        for await (const { records, gaps } of log.read(new Map([[PARTITION, next]]), signal)) {
          this.#look()
          for (const gap of gaps) if (gap.partition === PARTITION) next = gap.to
          for (const record of records) {
            if (record.partition !== PARTITION) continue
            this.#apply(record)
            next = record.offset + 1
          }
          this.#wake()
        }
      } catch (error) {
        if (signal.aborted) return
        if (!isRetryable(error)) throw error
        logger.warn({ error: String(error) }, 'signs of life can not be read; trying again')
        await clock.sleep(RETRY_MS, signal).catch(() => {})
      }
    }
  }

  async #beginning(): Promise<number> {
    const { log } = this.#parts
    const [starts, ends] = await Promise.all([log.starts(), log.ends()])
    return Math.max(starts.get(PARTITION) ?? 0, (ends.get(PARTITION) ?? 0) - LOOK_BACK_RECORDS)
  }

  #apply({ headers, payload, appendedMs }: LogRecord): void {
    const event = decodeMembershipEvent(headers, payload)
    if (event !== null) this.#view.apply(event, appendedMs, this.#parts.clock.monotonicMs())
  }

  /** Looks for silence, the others' and one's own. */
  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(LOOK_MS, signal).catch(() => {})
      this.#look()
      this.#wake()
    }
  }

  #look(): void {
    const { clock, logger } = this.#parts
    const now = clock.monotonicMs()
    if (now - this.#lastLookMs >= DEAD_AFTER_MS) {
      logger.warn({ stoppedMs: Math.round(now - this.#lastLookMs) }, 'this process was stopped: others have taken its targets')
      this.#view.doubt(this.#sequence)
    }
    this.#lastLookMs = now
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof EngineError && error.retryable
}

function sameNames(a: readonly string[], b: readonly string[] | null): boolean {
  return b !== null && a.length === b.length && a.every((name, i) => name === b[i])
}
