import type { Matcher } from '../domain/matcher.ts'
import type { ReadStats, SeriesReader } from '../domain/ports/series-reader.ts'
import type { SeriesColumns } from '../domain/series.ts'
import type { TimeRange } from '../domain/time.ts'
import type { Expr, VectorSelector } from '../promql/ast.ts'
import { type EvalWindow, type Selection, selections } from '../promql/evaluate.ts'
import { QueryError } from './query-service.ts'

export interface LoadBounds {
  readonly seriesMax: number
  readonly samplesMax: number
  /** Added to by the reader. */
  readonly stats: ReadStats
  readonly deadline: { readonly signal: AbortSignal; check(where: string): void }
}

/**
 * Loads what an expression reads, by selector. Selectors that want the same series of times that overlap are loaded once, over all of it,
 * and share them: the evaluator takes from a series what its windows want.
 * @throws QueryError `limit` as soon as more would be held than allowed
 */
export async function loadSelections(
  expr: Expr,
  window: EvalWindow,
  reader: SeriesReader,
  bounds: LoadBounds,
): Promise<Map<VectorSelector, readonly SeriesColumns[]>> {
  const loaded = new Map<VectorSelector, readonly SeriesColumns[]>()
  const held: Held = { series: 0, samples: 0 }
  for (const { matchers, range, selectors } of merged(selections(expr, window))) {
    const columns = await load(matchers, range, reader, bounds, held)
    for (const selector of selectors) loaded.set(selector, columns)
  }
  return loaded
}

interface Load {
  readonly matchers: readonly Matcher[]
  range: TimeRange
  readonly selectors: VectorSelector[]
}

function merged(wanted: readonly Selection[]): Load[] {
  const loads: Load[] = []
  const last = new Map<string, Load>()
  for (const { selector, matchers, range } of wanted.toSorted((a, b) => a.range.startMs - b.range.startMs)) {
    const key = JSON.stringify(matchers.map(({ name, type, value }) => [name, type, value]))
    const before = last.get(key)
    if (before !== undefined && range.startMs <= before.range.endMs) {
      before.range = { startMs: before.range.startMs, endMs: Math.max(before.range.endMs, range.endMs) }
      before.selectors.push(selector)
      continue
    }
    const load = { matchers, range, selectors: [selector] }
    loads.push(load)
    last.set(key, load)
  }
  return loads
}

interface Held {
  series: number
  samples: number
}

async function load(
  matchers: readonly Matcher[],
  range: TimeRange,
  reader: SeriesReader,
  bounds: LoadBounds,
  held: Held,
): Promise<SeriesColumns[]> {
  bounds.deadline.check('query execution')
  const columns: SeriesColumns[] = []
  for await (const batch of reader.select(matchers, range, bounds.deadline.signal, bounds.stats)) {
    bounds.deadline.check('query execution')
    held.series += batch.length
    for (const series of batch) {
      held.samples += series.times.length
      columns.push(series)
    }
    if (held.series > bounds.seriesMax) throw new QueryError('limit', 'query would load too many series into memory in query execution')
    if (held.samples > bounds.samplesMax) {
      throw new QueryError('limit', 'query processing would load too many samples into memory in query execution')
    }
  }
  // A reader that ends early because of the signal has not read everything.
  bounds.deadline.check('query execution')
  return columns
}
