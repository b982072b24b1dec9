import type { MetricMetadata } from '../domain/ports/metadata-view.ts'

const METRICS_MAX = 200_000

/** Which metadata the log holds already: it is declared when it is new, has changed, or was last declared a while ago. */
export class KnownMetadata {
  readonly #redeclareMs: number
  readonly #known = new Map<string, { readonly metadata: MetricMetadata; readonly declaredMs: number }>()

  constructor(redeclareMs: number) {
    this.#redeclareMs = redeclareMs
  }

  /** Of one request's metadata, what is to be declared; of several for one metric, the last. */
  news(metadata: readonly MetricMetadata[], monotonicMs: number): MetricMetadata[] {
    const latest = new Map<string, MetricMetadata>()
    for (const one of metadata) latest.set(one.metric, one)
    return [...latest.values()].filter((one) => {
      const known = this.#known.get(one.metric)
      return known === undefined || monotonicMs - known.declaredMs >= this.#redeclareMs || !same(known.metadata, one)
    })
  }

  /** The log holds these. */
  acknowledge(metadata: readonly MetricMetadata[], monotonicMs: number): void {
    if (this.#known.size + metadata.length > METRICS_MAX) this.#known.clear()
    for (const one of metadata) this.#known.set(one.metric, { metadata: one, declaredMs: monotonicMs })
  }
}

function same(a: MetricMetadata, b: MetricMetadata): boolean {
  return a.type === b.type && a.help === b.help && a.unit === b.unit
}
