import { Labels, METRIC_NAME } from '../../domain/labels.ts'
import type { ScrapeConfig } from './config.ts'
import { parseSeriesText } from './exposition.ts'
import { type RelabelStep, relabel } from './relabel.ts'

/** A series of a target as it was last seen. */
export interface CachedSeries {
  /** null: dropped by relabelling. */
  readonly labels: Labels | null
  /** Number of the scrape that saw it last. */
  seen: number
  /** Whether it came with a timestamp of its own. */
  stamped: boolean
}

/** From the text of a series to its final labels: parsed, merged with the target's, relabelled, once. */
export class SeriesCache {
  readonly #job: ScrapeConfig
  readonly #targetLabels: Labels
  readonly #steps: readonly RelabelStep[]
  readonly #series = new Map<string, CachedSeries>()

  constructor(job: ScrapeConfig, targetLabels: Labels, steps: readonly RelabelStep[]) {
    this.#job = job
    this.#targetLabels = targetLabels
    this.#steps = steps
  }

  /** @returns the series, or what is wrong with it */
  get(text: string): CachedSeries | string {
    const known = this.#series.get(text)
    if (known !== undefined) return known
    const parsed = parseSeriesText(text)
    if (typeof parsed === 'string') return `${text.slice(0, 200)}: ${parsed}`
    const labels = relabel(mergeLabels(this.#targetLabels, parsed, this.#job.honor_labels), this.#steps)
    if (labels !== null) {
      const problem = this.#check(labels)
      if (problem !== null) return `${text.slice(0, 200)}: ${problem}`
    }
    const series = { labels, seen: -1, stamped: false }
    this.#series.set(text, series)
    return series
  }

  #check(labels: Labels): string | null {
    const { label_limit, label_name_length_limit, label_value_length_limit } = this.#job
    if (!labels.has(METRIC_NAME)) return 'no metric name is left after relabelling'
    if (label_limit > 0 && labels.size > label_limit) return `label_limit exceeded: ${labels.size} labels, limit ${label_limit}`
    for (const [name, value] of labels) {
      if (label_name_length_limit > 0 && name.length > label_name_length_limit)
        return `label_name_length_limit of ${label_name_length_limit} exceeded by ${name}`
      if (label_value_length_limit > 0 && value.length > label_value_length_limit)
        return `label_value_length_limit of ${label_value_length_limit} exceeded by the value of ${name}`
    }
    return null
  }

  /** Takes out what the given scrape did not see. @returns those that were alive until then */
  takeUnseen(scrape: number): CachedSeries[] {
    const gone: CachedSeries[] = []
    for (const [text, series] of this.#series) {
      if (series.seen === scrape) continue
      if (series.seen !== -1) gone.push(series)
      this.#series.delete(text)
    }
    return gone
  }
}

/** Labels of a scraped series: the target's win and the scraped one is renamed `exported_...`, unless the job honours the scraped ones. */
export function mergeLabels(target: Labels, scraped: Labels, honorLabels: boolean): Labels {
  const merged = new Map(scraped)
  for (const [name, value] of target) {
    const conflicting = merged.get(name)
    if (conflicting !== undefined) {
      if (honorLabels) continue
      let exported = `exported_${name}`
      while (merged.has(exported) || target.has(exported)) exported = `exported_${exported}`
      merged.set(exported, conflicting)
    }
    merged.set(name, value)
  }
  return Labels.fromEntries(merged)
}
