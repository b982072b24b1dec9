/**
 * What is owned now, on its way to somebody who may be slow: he gets the latest and nothing stale. But what was lost and came back
 * between two looks is first told as lost: meanwhile another may have worked on it.
 */
export class OwnedPartitions {
  #current: readonly number[] | null = null
  #told: readonly number[] | null = null
  /** Of what was told, what has been owned ever since. */
  #kept: ReadonlySet<number> = new Set()
  #failure: unknown = null
  #ended = false
  #wake: () => void = () => {}

  /** `partitions` are sorted. */
  set(partitions: readonly number[]): void {
    this.#current = partitions
    const now = new Set(partitions)
    this.#kept = new Set([...this.#kept].filter((partition) => now.has(partition)))
    this.#wake()
  }

  end(): void {
    this.#ended = true
    this.#wake()
  }

  fail(error: unknown): void {
    this.#failure = error
    this.#wake()
  }

  /** For one reader. */
  async *values(): AsyncGenerator<readonly number[], void, undefined> {
    for (;;) {
      if (this.#ended) return
      if (this.#failure !== null) throw this.#failure
      const next = this.#next()
      if (next !== null) {
        this.#told = next
        this.#kept = new Set(next)
        yield next
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    }
  }

  #next(): readonly number[] | null {
    const current = this.#current
    if (current === null) return null
    if (this.#told === null) return current
    const regained = this.#told.some((partition) => !this.#kept.has(partition) && current.includes(partition))
    if (regained) return this.#told.filter((partition) => this.#kept.has(partition))
    return sameNumbers(current, this.#told) ? null : current
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
