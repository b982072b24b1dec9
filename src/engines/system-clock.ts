import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { Clock, Random } from '../domain/ports/clock.ts'
import type { TimestampMs } from '../domain/time.ts'

/** setTimeout counts in 32 bits: anything longer fires at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** The machine's clock. Its sleeps keep the process alive until they end or their signal aborts. */
export class SystemClock implements Clock {
  nowMs(): TimestampMs {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    let leftMs = Math.max(ms, 0)
    do {
      const partMs = Math.min(leftMs, TIMER_MS_MAX)
      await delay(partMs, undefined, signal && { signal }).catch((error: unknown) => {
        // Node wraps the reason in an AbortError of its own; the port promises the reason itself.
        throw signal?.aborted ? signal.reason : error
      })
      leftMs -= partMs
    } while (leftMs > 0)
  }
}

/** The machine's chance: fast for `next`, cryptographic for `bytes`. */
export class SystemRandom implements Random {
  next(): number {
    return Math.random()
  }

  bytes(count: number): Uint8Array {
    // A copy of its own: small Buffers are views of a shared pool.
    return new Uint8Array(randomBytes(count))
  }
}
