import type { Span } from '../ast.ts'
import type { Annotations } from '../result.ts'
import { formatG, goQuote } from './numbers.ts'

interface Note {
  readonly info: boolean
  readonly position: number
  readonly fixed: MonotonicityFix | null
}

/** What histogram_quantile had to mend at the steps of one query. */
interface MonotonicityFix {
  readonly minBucket: number
  readonly maxBucket: number
  readonly maxDiff: number
  readonly minTimeMs: number
  readonly maxTimeMs: number
  readonly count: number
}

/** Warnings and infos met during one evaluation, each text once; of a repeated one the last position is told, as Prometheus does. */
export class AnnotationCollector {
  readonly #notes = new Map<string, Note>()

  warn(text: string, at: Span): void {
    this.#notes.set(`PromQL warning: ${text}`, { info: false, position: at.start, fixed: null })
  }

  info(text: string, at: Span): void {
    this.#notes.set(`PromQL info: ${text}`, { info: true, position: at.start, fixed: null })
  }

  invalidQuantile(q: number, at: Span): void {
    this.warn(`quantile value should be between 0 and 1, got ${formatG(q)}`, at)
  }

  possibleNonCounter(metric: string, at: Span): void {
    this.info(`metric might not be a counter, name does not end in _total/_sum/_count/_bucket: ${goQuote(metric)}`, at)
  }

  forcedMonotonicity(at: Span, timeMs: number, minBucket: number, maxBucket: number, maxDiff: number): void {
    const text =
      'PromQL info: input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)'
    const before = this.#notes.get(text)?.fixed ?? null
    const fixed: MonotonicityFix = {
      minBucket: Math.min(minBucket, before?.minBucket ?? minBucket),
      maxBucket: Math.max(maxBucket, before?.maxBucket ?? maxBucket),
      maxDiff: Math.max(maxDiff, before?.maxDiff ?? maxDiff),
      minTimeMs: Math.min(timeMs, before?.minTimeMs ?? timeMs),
      maxTimeMs: Math.max(timeMs, before?.maxTimeMs ?? timeMs),
      count: (before?.count ?? 0) + 1,
    }
    this.#notes.set(text, { info: true, position: at.start, fixed })
  }

  /** As texts; with the query's text given, each ends with where it belongs: `(line:column)`. */
  texts(query: string): Annotations {
    const warnings: string[] = []
    const infos: string[] = []
    for (const [text, note] of this.#notes) {
      const full = query === '' ? text : `${text}${fixText(note.fixed)} (${lineAndColumn(query, note.position)})`
      ;(note.info ? infos : warnings).push(full)
    }
    return { warnings, infos }
  }
}

function fixText(fixed: MonotonicityFix | null): string {
  if (fixed === null) return ''
  return (
    `, from buckets ${formatG(fixed.minBucket)} to ${formatG(fixed.maxBucket)}, with a max diff of ${formatG(fixed.maxDiff, 2)}` +
    `, over ${fixed.count} samples from ${timeText(fixed.minTimeMs)} to ${timeText(fixed.maxTimeMs)}`
  )
}

function timeText(timeMs: number): string {
  return new Date(Math.floor(timeMs / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

/** Counted from 1, columns in bytes of UTF-8. */
function lineAndColumn(query: string, position: number): string {
  const before = query.slice(0, position)
  const lines = before.split('\n')
  return `${lines.length}:${new TextEncoder().encode(lines[lines.length - 1]).length + 1}`
}
