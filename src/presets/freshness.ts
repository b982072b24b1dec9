import type { Clock } from '../domain/ports/clock.ts'
import type { Freshness } from '../domain/ports/freshness.ts'
import { decodePosition, encodePosition, type Position } from '../domain/position.ts'
import type { Control } from '../projections/series/control.ts'

const LOOK_MS_MAX = 1000

/** How far the head has come, from the shared control block. */
export class HeadFreshness implements Freshness {
  readonly #control: Control
  readonly #clock: Clock
  readonly #partitions: number
  readonly #generation: number

  constructor(control: Control, clock: Clock, partitions: number, generation: number) {
    this.#control = control
    this.#clock = clock
    this.#partitions = partitions
    this.#generation = generation
  }

  pinned(): { position: Position; ageMs: number } {
    const offsets = new Map<number, number>()
    for (let partition = 0; partition < this.#partitions; partition++) offsets.set(partition, this.#control.applied(partition))
    return { position: encodePosition(this.#generation, offsets), ageMs: this.#control.ageMs(this.#partitions, this.#clock.nowMs()) }
  }

  async waitFor(position: Position, timeoutMs: number, signal: AbortSignal): Promise<'reached' | 'timeout' | 'unknown'> {
    const wanted = decodePosition(position)
    if (wanted === null || wanted.generation !== this.#generation) return 'unknown'
    for (const partition of wanted.offsets.keys()) if (partition >= this.#partitions) return 'unknown'
    const deadline = this.#clock.monotonicMs() + timeoutMs
    for (;;) {
      signal.throwIfAborted()
      const sequence = this.#control.appliedSequence
      if ([...wanted.offsets].every(([partition, offset]) => this.#control.applied(partition) >= offset)) return 'reached'
      const left = deadline - this.#clock.monotonicMs()
      if (left <= 0) return 'timeout'
      await this.#control.waitApplied(sequence, Math.min(left, LOOK_MS_MAX))
    }
  }
}
