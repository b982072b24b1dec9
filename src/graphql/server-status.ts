import type { PartitionLag } from '../domain/ports/lag-view.ts'
import type { GraphqlDeps } from './deps.ts'
import { graphqlLimits } from './limits.ts'
import type { TopicModel } from './models.ts'
import type { Freshness } from './schema.generated.ts'

/** How the server is, now. All who ask within a tenth of a second share one look. */
export class ServerStatus {
  readonly #deps: Pick<GraphqlDeps, 'queries' | 'lag' | 'clock'>
  readonly #freshness: Shared<Freshness>
  readonly #topics: Shared<TopicModel[]>

  constructor(deps: Pick<GraphqlDeps, 'queries' | 'lag' | 'clock'>) {
    this.#deps = deps
    // Shared looks belong to no one caller, so no caller's leaving may end them.
    this.#freshness = new Shared(deps, () => this.#look(new AbortController().signal))
    this.#topics = new Shared(deps, async () => byTopic(await deps.lag.lags()))
  }

  /**
   * What a query sees now. It is asked by a query, the cheapest there is: so it tells what a query would tell.
   * @throws QueryError when `minPosition` does not become readable
   */
  async freshness(signal: AbortSignal, minPosition?: string): Promise<Freshness> {
    return minPosition === undefined ? this.#freshness.get() : this.#look(signal, minPosition)
  }

  topics(): Promise<TopicModel[]> {
    return this.#topics.get()
  }

  async #look(signal: AbortSignal, minPosition?: string): Promise<Freshness> {
    const { queries, clock } = this.#deps
    const { asOf, ageMs } = await queries.instant(
      { expr: '1', timeMs: clock.nowMs(), ...(minPosition !== undefined && { minPosition }) },
      signal,
    )
    return { asOf, ageMs }
  }
}

function byTopic(lags: readonly PartitionLag[]): TopicModel[] {
  const topics = new Map<string, PartitionLag[]>()
  for (const lag of lags) {
    const partitions = topics.get(lag.topic)
    if (partitions) partitions.push(lag)
    else topics.set(lag.topic, [lag])
  }
  return [...topics]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, partitions]) => ({ name, partitions: partitions.sort((a, b) => a.partition - b.partition) }))
}

/** One answer for everybody who asks while it is being made, or soon after. */
class Shared<T> {
  readonly #clock: GraphqlDeps['clock']
  readonly #make: () => Promise<T>
  #made: { readonly value: Promise<T>; readonly atMs: number } | null = null

  constructor({ clock }: Pick<GraphqlDeps, 'clock'>, make: () => Promise<T>) {
    this.#clock = clock
    this.#make = make
  }

  get(): Promise<T> {
    const nowMs = this.#clock.monotonicMs()
    if (this.#made === null || nowMs - this.#made.atMs >= graphqlLimits.statusSharedMs) {
      const made = { value: this.#make(), atMs: nowMs }
      this.#made = made
      made.value.catch(() => {
        if (this.#made === made) this.#made = null
      })
    }
    return this.#made.value
  }
}
