import { formatDuration, parseDuration } from '../../domain/duration.ts'
import { Labels } from '../../domain/labels.ts'
import type { ScrapeConfig } from './config.ts'
import { type RelabelStep, relabel } from './relabel.ts'

/** Targets as discovery found them: addresses with labels. */
export interface TargetGroup {
  readonly targets: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** One target, after relabelling. */
export interface Target {
  /** Tells targets apart: URL, labels, timing. */
  readonly key: string
  readonly url: URL
  /** What every series of it carries (job, instance, ...). */
  readonly labels: Labels
  readonly discoveredLabels: Labels
  readonly intervalMs: number
  readonly timeoutMs: number
}

/** Turns groups into targets: meta labels, relabelling, URL. Targets that are the same are one. */
export function targetsOf(
  job: ScrapeConfig,
  groups: readonly TargetGroup[],
  steps: readonly RelabelStep[],
): { targets: Target[]; dropped: Labels[]; errors: string[] } {
  const targets = new Map<string, Target>()
  const dropped: Labels[] = []
  const errors: string[] = []
  for (const group of groups) {
    for (const address of group.targets) {
      const discovered = Labels.fromEntries([
        ['job', job.job_name],
        ['__scheme__', job.scheme],
        ['__metrics_path__', job.metrics_path],
        ['__scrape_interval__', formatDuration(job.scrape_interval)],
        ['__scrape_timeout__', formatDuration(job.scrape_timeout)],
        ...Object.entries(job.params).map(([name, values]): [string, string] => [`__param_${name}`, values[0] ?? '']),
        ...Object.entries(group.labels),
        ['__address__', address],
      ])
      const labels = relabel(discovered, steps)
      if (labels === null || !labels.has('__address__')) {
        dropped.push(discovered)
        continue
      }
      const target = targetOf(job, labels, discovered)
      if (typeof target === 'string') errors.push(`${job.job_name}: ${target}`)
      else targets.set(target.key, target)
    }
  }
  return { targets: [...targets.values()], dropped, errors }
}

function targetOf(job: ScrapeConfig, labels: Labels, discoveredLabels: Labels): Target | string {
  const address = labels.get('__address__')
  let url: URL
  try {
    url = new URL(`${labels.get('__scheme__') || 'http'}://${address}${labels.get('__metrics_path__') || '/metrics'}`)
  } catch {
    return `${JSON.stringify(address)} is not an address of the form host:port`
  }
  for (const [name, values] of Object.entries(job.params)) for (const value of values.slice(1)) url.searchParams.append(name, value)
  for (const [name, value] of labels) if (name.startsWith('__param_')) url.searchParams.append(name.slice('__param_'.length), value)
  const intervalMs = parseDuration(labels.get('__scrape_interval__'))
  const timeoutMs = parseDuration(labels.get('__scrape_timeout__'))
  if (!intervalMs || !timeoutMs || timeoutMs > intervalMs)
    return `${address} has an interval or timeout that can't be used after relabelling`
  const entries = [...labels].filter(([name]) => !name.startsWith('__'))
  if (!labels.has('instance')) entries.push(['instance', address])
  const own = Labels.fromEntries(entries)
  return { key: `${url.href}\u0000${own.key}\u0000${intervalMs}/${timeoutMs}`, url, labels: own, discoveredLabels, intervalMs, timeoutMs }
}
