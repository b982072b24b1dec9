import type { Labels } from '../labels.ts'
import type { Matcher } from '../matcher.ts'
import type { TimeRange } from '../time.ts'

/** Reads what series there are. A selector is a list of matchers; several selectors give the union; none means all series. */
export interface LabelReader {
  /** Label sets, each once, in order of their labels, at most `limit`. `range` null: of all time. */
  series(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): Labels[]
  /** Sorted, at most `limit`. */
  labelNames(selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[]
  /** Values of one label, sorted, at most `limit`. */
  labelValues(name: string, selectors: readonly (readonly Matcher[])[], range: TimeRange | null, limit: number): string[]
}
