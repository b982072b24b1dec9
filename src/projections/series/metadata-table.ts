import type { BlockRow, BlockStore } from '../../domain/ports/block-store.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'

const TABLE = 'metadata'
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Metadata by metric, newest declaration. */
export class MetadataTable {
  readonly #version: number
  readonly #metadata = new Map<string, MetricMetadata>()
  readonly #changed = new Set<string>()
  #pending: string[] = []

  constructor(version: number) {
    this.#version = version
  }

  add(metadata: readonly MetricMetadata[]): void {
    for (const declared of metadata) {
      const known = this.#metadata.get(declared.metric)
      if (known?.type === declared.type && known.help === declared.help && known.unit === declared.unit) continue
      this.#metadata.set(declared.metric, declared)
      this.#changed.add(declared.metric)
    }
  }

  all(): readonly MetricMetadata[] {
    return [...this.#metadata.values()]
  }

  /** Rows that changed since the last call that was settled. */
  changedRows(): BlockRow[] {
    const rows = [...this.#changed].map((metric) => ({
      ...this.#ref(),
      clusteringKey: metric,
      value: encoder.encode(JSON.stringify(this.#metadata.get(metric))),
    }))
    this.#pending = [...this.#changed]
    this.#changed.clear()
    return rows
  }

  /** Says whether the rows of `changedRows` were stored; if not, they are given again. */
  settle(stored: boolean): void {
    if (!stored) for (const metric of this.#pending) this.#changed.add(metric)
    this.#pending = []
  }

  async load(store: Pick<BlockStore, 'scan'>): Promise<void> {
    for await (const rows of store.scan(this.#ref())) {
      for (const row of rows) this.#metadata.set(row.clusteringKey, JSON.parse(decoder.decode(row.value)) as MetricMetadata) // as changedRows wrote it
    }
  }

  #ref(): { table: 'metadata'; partitionKey: string; dayOf: null } {
    return { table: TABLE, partitionKey: `${this.#version}`, dayOf: null }
  }
}
