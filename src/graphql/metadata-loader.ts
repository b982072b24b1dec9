import DataLoader from 'dataloader'
import type { MetadataView, MetricMetadata } from '../domain/ports/metadata-view.ts'

/** Up to so many metrics are asked for one by one: with more, asking for all of them once is cheaper. */
const SINGLE_CALLS_MAX = 8

/** Everything that one turn of an operation asks for becomes one question to the view. */
export function createMetadataLoader(view: MetadataView): DataLoader<string, MetricMetadata | null> {
  return new DataLoader(async (names: readonly string[]) => {
    if (names.length <= SINGLE_CALLS_MAX) return Promise.all(names.map(async (name) => (await view.metadata(name))[0] ?? null))
    const byName = new Map((await view.metadata()).map((metadata) => [metadata.metric, metadata]))
    return names.map((name) => byName.get(name) ?? null)
  })
}
