import type { TimestampMs } from '../time.ts'

/** The only source of time in `src/`. Virtual in tests. */
export interface Clock {
  /** Wall clock. */
  nowMs(): TimestampMs
  /** Monotonic, in fractional milliseconds; for durations only. */
  monotonicMs(): number
  /** Resolves after `ms`, or rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** The only source of chance in `src/`. Seeded in tests. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  bytes(count: number): Uint8Array
}
