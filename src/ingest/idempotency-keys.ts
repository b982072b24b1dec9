import type { Clock } from '../domain/ports/clock.ts'
import { MINUTE_MS } from '../domain/time.ts'

const KEPT_MS = 10 * MINUTE_MS
const KEYS_MAX = 100_000

/**
 * Lets an action with a key happen once: who comes with the same key while it is under way shares it, who comes later gets its result.
 * An action that failed is forgotten, so that it can be tried again. Keys are kept for 10 minutes, the newest 100,000 of them.
 */
export class IdempotencyKeys<Result> {
  readonly #clock: Clock
  /** In the order of their coming, so that the oldest is the first. */
  readonly #entries = new Map<string, { readonly sinceMs: number; readonly result: Promise<Result> }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  once(key: string, action: () => Promise<Result>): Promise<Result> {
    const nowMs = this.#clock.monotonicMs()
    this.#forget(nowMs)
    const known = this.#entries.get(key)
    if (known) return known.result
    const result = action()
    const entry = { sinceMs: nowMs, result }
    this.#entries.set(key, entry)
    result.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key)
    })
    return result
  }

  #forget(nowMs: number): void {
    for (const [key, { sinceMs }] of this.#entries) {
      if (this.#entries.size < KEYS_MAX && nowMs - sinceMs < KEPT_MS) return
      this.#entries.delete(key)
    }
  }
}
