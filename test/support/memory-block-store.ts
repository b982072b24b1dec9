import type { BlockRow, BlockStore, PartitionRef } from '../../src/domain/ports/block-store.ts'
import { DAY_MS, type TimestampMs } from '../../src/domain/time.ts'

/** A block store in memory, by the port's contract; `failures` of its next writes fail before they change anything. */
export class MemoryBlockStore implements BlockStore {
  readonly #rows = new Map<string, BlockRow>()
  failures = 0

  async put(rows: readonly BlockRow[]): Promise<void> {
    this.#mayFail()
    for (const row of rows) this.#rows.set(keyOf(row, row.clusteringKey), { ...row, value: row.value.slice() })
  }

  async *scan(partition: PartitionRef, range: { from?: string; to?: string } = {}): AsyncIterable<readonly BlockRow[]> {
    const rows = [...this.#rows.values()].filter(
      (row) =>
        keyOf(row, '') === keyOf(partition, '') &&
        (range.from === undefined || compareKeys(row.clusteringKey, range.from) >= 0) &&
        (range.to === undefined || compareKeys(row.clusteringKey, range.to) < 0),
    )
    rows.sort((a, b) => compareKeys(a.clusteringKey, b.clusteringKey))
    for (const row of rows) yield [row]
  }

  async get(partition: PartitionRef, clusteringKey: string): Promise<Uint8Array | null> {
    return this.#rows.get(keyOf(partition, clusteringKey))?.value ?? null
  }

  async drop(partition: PartitionRef, range: { from: string; to: string }): Promise<void> {
    this.#mayFail()
    for await (const rows of this.scan(partition, range)) for (const row of rows) this.#rows.delete(keyOf(row, row.clusteringKey))
  }

  async compareAndSet(partition: PartitionRef, clusteringKey: string, expected: Uint8Array | null, next: Uint8Array): Promise<boolean> {
    this.#mayFail()
    const known = this.#rows.get(keyOf(partition, clusteringKey))?.value ?? null
    if (known === null ? expected !== null : expected === null || Buffer.compare(known, expected) !== 0) return false
    this.#rows.set(keyOf(partition, clusteringKey), { ...partition, clusteringKey, value: next.slice() })
    return true
  }

  async expire(before: TimestampMs): Promise<void> {
    for (const [key, { dayOf }] of this.#rows) {
      if (dayOf !== null && Math.floor(dayOf / DAY_MS) * DAY_MS + DAY_MS <= before) this.#rows.delete(key)
    }
  }

  async compact(): Promise<void> {}

  async close(): Promise<void> {}

  #mayFail(): void {
    if (this.failures-- > 0) throw new Error('the store fails, as the test wants')
    this.failures = Math.max(0, this.failures)
  }
}

/** By UTF-8 bytes, which is not the order of JavaScript's strings. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function keyOf({ table, partitionKey, dayOf }: PartitionRef, clusteringKey: string): string {
  return [table, partitionKey, dayOf === null ? '' : Math.floor(dayOf / DAY_MS), clusteringKey].join('\u0000')
}
