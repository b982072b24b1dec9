import DataLoader from 'dataloader'
import type { MetadataView, MetricMetadata } from '../domain/ports/metadata-view.ts'

/** Everything that one turn of an operation asks for becomes one question to the view. */
export function createMetadataLoader(view: MetadataView): DataLoader<string, MetricMetadata | null> {
  return new DataLoader(async (names: readonly string[]) => {
    const known = names.length === 1 ? await view.metadata(names[0]) : await view.metadata()
    const byName = new Map(known.map((metadata) => [metadata.metric, metadata]))
    return names.map((name) => byName.get(name) ?? null)
  })
}
