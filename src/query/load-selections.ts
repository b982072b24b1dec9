import type { ReadStats, SeriesReader } from '../domain/ports/series-reader.ts'
import type { SeriesColumns } from '../domain/series.ts'
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
 * Loads what an expression reads, by selector; selectors that want the same series of the same time are loaded once and share them.
 * @throws QueryError `limit` as soon as more would be held than allowed
 */
export async function loadSelections(
  expr: Expr,
  window: EvalWindow,
  reader: SeriesReader,
  bounds: LoadBounds,
): Promise<Map<VectorSelector, readonly SeriesColumns[]>> {
  const loaded = new Map<VectorSelector, readonly SeriesColumns[]>()
  const bySelection = new Map<string, readonly SeriesColumns[]>()
  const held: Held = { series: 0, samples: 0 }
  for (const selection of selections(expr, window)) {
    const key = keyOf(selection)
    let columns = bySelection.get(key)
    if (columns === undefined) {
      columns = await load(selection, reader, bounds, held)
      bySelection.set(key, columns)
    }
    loaded.set(selection.selector, columns)
  }
  return loaded
}

interface Held {
  series: number
  samples: number
}

async function load({ matchers, range }: Selection, reader: SeriesReader, bounds: LoadBounds, held: Held): Promise<SeriesColumns[]> {
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

function keyOf({ matchers, range }: Selection): string {
  return JSON.stringify([range.startMs, range.endMs, matchers.map(({ name, type, value }) => [name, type, value])])
}
