import type { Clock, Random } from '../../src/domain/ports/clock.ts'
import type { TimestampMs } from '../../src/domain/time.ts'

interface Sleeper {
  readonly wakeMs: number
  readonly order: number
  readonly wake: () => void
}

/** A clock that stands still until a test moves it. Sleepers wake in the order of their times, then of their calls. */
export class VirtualClock implements Clock {
  #wallMs: TimestampMs
  #monotonicMs = 0
  #order = 0
  readonly #sleepers = new Set<Sleeper>()
  #arrivals: (() => void)[] = []

  constructor(startMs: TimestampMs = 1_700_000_000_000) {
    this.#wallMs = startMs
  }

  nowMs(): TimestampMs {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  /** How many are asleep now. */
  get sleeping(): number {
    return this.#sleepers.size
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const leave = () => {
        this.#sleepers.delete(sleeper)
        reject(signal?.reason)
      }
      const sleeper: Sleeper = {
        wakeMs: this.#monotonicMs + Math.max(ms, 0),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#sleepers.add(sleeper)
      for (const arrive of this.#arrivals.splice(0)) arrive()
    })
  }

  /** Moves time on by `ms`, waking whoever's time comes, also those who fall asleep anew on the way. */
  async advance(ms: number): Promise<void> {
    const targetMs = this.#monotonicMs + ms
    await settle()
    for (let next = this.#next(targetMs); next; next = this.#next(targetMs)) {
      this.#moveTo(Math.max(next.wakeMs, this.#monotonicMs))
      this.#sleepers.delete(next)
      next.wake()
      await settle()
    }
    this.#moveTo(targetMs)
    await settle()
  }

  /** Sets the wall clock alone, as an operator or NTP does: sleepers and the monotonic clock don't notice. */
  setWall(nowMs: TimestampMs): void {
    this.#wallMs = nowMs
  }

  /** Resolves when at least `count` are asleep: for code that does real I/O before it sleeps. */
  async untilSleeping(count = 1): Promise<void> {
    while (this.#sleepers.size < count) await new Promise<void>((resolve) => this.#arrivals.push(resolve))
  }

  #next(targetMs: number): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of this.#sleepers) {
      if (sleeper.wakeMs > targetMs) continue
      if (!first || sleeper.wakeMs < first.wakeMs || (sleeper.wakeMs === first.wakeMs && sleeper.order < first.order)) first = sleeper
    }
    return first
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }
}

/** Lets everything run that waits for nothing but promises and the end of this turn of the event loop. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Chance that is the same for the same seed (mulberry32). */
export class SeededRandom implements Random {
  #state: number

  constructor(seed = 1) {
    this.#state = seed >>> 0
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.next() * 256))
  }
}
