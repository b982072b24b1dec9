import { LogMembership } from '../../../src/collect/ring/log-membership.ts'
import { EngineError } from '../../../src/domain/errors.ts'
import type { Clock } from '../../../src/domain/ports/clock.ts'
import type { EventLog, LogBatch, LogRecord, RecordToAppend } from '../../../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../src/domain/position.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'

/** One partition in memory, as the log that all members meet in; it can be away. */
export class MemoryLog implements Pick<EventLog, 'append' | 'read' | 'starts' | 'ends'> {
  readonly records: LogRecord[] = []
  away = false
  readonly #clock: Clock
  #arrivals: (() => void)[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async append(records: readonly RecordToAppend[]): Promise<PartitionOffsets> {
    if (this.away) throw new EngineError('LOG_AWAY', 'the log is away', { retryable: true })
    for (const { partition, headers, payload } of records)
      this.records.push({ partition, offset: this.records.length, appendedMs: this.#clock.nowMs(), headers, payload })
    for (const arrive of this.#arrivals.splice(0)) arrive()
    return this.ends()
  }

  async *read(from: PartitionOffsets, signal: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    let next = from.get(0) ?? 0
    while (!signal.aborted) {
      if (!this.away && next < this.records.length) {
        const records = this.records.slice(next)
        next = this.records.length
        yield { records, gaps: [] }
      } else {
        await new Promise<void>((resolve) => {
          this.#arrivals.push(resolve)
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
      }
    }
  }

  async starts(): Promise<PartitionOffsets> {
    return new Map([[0, 0]])
  }

  async ends(): Promise<PartitionOffsets> {
    return new Map([[0, this.records.length]])
  }
}

/** The clock of one process, which can be stopped (SIGSTOP) and go on, or be killed: it just never wakes. */
export class ProcessClock implements Clock {
  readonly #clock: Clock
  #stopped: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null

  constructor(clock: Clock) {
    this.#clock = clock
  }

  stop(): void {
    this.#stopped = Promise.withResolvers<void>()
  }

  goOn(): void {
    this.#stopped?.resolve()
    this.#stopped = null
  }

  /** Waits while the process is stopped. */
  async running(): Promise<void> {
    while (this.#stopped !== null) await this.#stopped.promise
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(ms, signal)
    } finally {
      await this.running()
    }
  }
}

/** What a process sees of the log: nothing while it is stopped. */
export function logOf(log: MemoryLog, clock: ProcessClock): Pick<EventLog, 'append' | 'read' | 'starts' | 'ends'> {
  return {
    append: async (records) => {
      await clock.running()
      return log.append(records)
    },
    async *read(from, signal) {
      for await (const batch of log.read(from, signal)) {
        await clock.running()
        yield batch
      }
    },
    starts: () => log.starts(),
    ends: () => log.ends(),
  }
}

export function membershipOf(log: MemoryLog, name: string, clock: ProcessClock): LogMembership {
  return new LogMembership({ log: logOf(log, clock), name, clock, logger: silentLogger })
}
