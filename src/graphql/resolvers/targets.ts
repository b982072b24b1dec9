import type { TargetStatus } from '../../domain/ports/target-view.ts'
import { page, textsOrdering } from '../connections.ts'
import type { GraphqlDeps } from '../deps.ts'
import type { QueryResolvers, Target, TargetHealth } from '../schema.generated.ts'
import { labelList } from './labelled.ts'

const healths: Record<TargetStatus['health'], TargetHealth> = { up: 'UP', down: 'DOWN', unknown: 'UNKNOWN' }

export function targetsQuery({ targets }: Pick<GraphqlDeps, 'targets'>): QueryResolvers['targets'] {
  return (_, args) => {
    const wanted = (targets?.targets() ?? []).filter((target) => args.health == null || healths[target.health] === args.health)
    const sorted = wanted.map((target) => ({ target, key: keyOf(target) })).sort((a, b) => textsOrdering.compare(a.key, b.key))
    return page(
      sorted,
      args,
      textsOrdering,
      ({ key }) => key,
      ({ target }) => nodeOf(target),
    )
  }
}

function keyOf(target: TargetStatus): string[] {
  return [target.scrapePool, target.scrapeUrl, ...target.labels.pairs]
}

function nodeOf(target: TargetStatus): Target {
  return {
    scrapePool: target.scrapePool,
    scrapeUrl: target.scrapeUrl,
    labels: labelList(target.labels),
    discoveredLabels: labelList(target.discoveredLabels),
    health: healths[target.health],
    lastError: target.lastError,
    lastScrape: target.lastScrapeMs,
    lastScrapeDurationMs: target.lastScrapeDurationSeconds * 1000,
    scrapeIntervalMs: target.scrapeIntervalMs,
    scrapeTimeoutMs: target.scrapeTimeoutMs,
  }
}
