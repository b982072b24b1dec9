import { MINUTE_MS } from '../../domain/time.ts'
import type { Subquery } from '../ast.ts'
import { type Grid, makeGrid } from './table.ts'

/** Steps of a subquery that names none. */
const DEFAULT_STEP_MS = MINUTE_MS

/** The steps of a subquery: the multiples of its step in (firstEnd - range, lastEnd]. */
export function subqueryGrid({ rangeMs, stepMs }: Subquery, firstEndMs: number, lastEndMs: number): Grid {
  const step = stepMs ?? DEFAULT_STEP_MS
  const start = (Math.floor((firstEndMs - rangeMs) / step) + 1) * step
  return makeGrid(start, lastEndMs, step)
}
