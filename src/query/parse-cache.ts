import type { Expr } from '../promql/ast.ts'
import { type Parsed, type ParseWindow, parseInWindow } from '../promql/parse/parse.ts'
import { asQueryError } from './query-errors.ts'

const CACHED_MAX = 500

/** Trees of the expressions used last: dashboards ask the same ones again and again. */
export class ParseCache {
  readonly #trees = new Map<string, Expr>()

  /** @throws QueryError `bad_data`, with Prometheus' text */
  parse(text: string, window: ParseWindow): Expr {
    // No expression begins with a NUL, so the two forms of a key can't meet.
    const windowKey = `\u0000${window.stepMs}/${window.rangeMs}/${text}`
    for (const key of [text, windowKey]) {
      const known = this.#trees.get(key)
      if (known === undefined) continue
      // Moved to the end: the first of the map is the one used longest ago.
      this.#trees.delete(key)
      this.#trees.set(key, known)
      return known
    }
    const { expr, usesWindow } = parsed(text, window)
    this.#trees.set(usesWindow ? windowKey : text, expr)
    if (this.#trees.size > CACHED_MAX) this.#trees.delete(this.#trees.keys().next().value as string)
    return expr
  }
}

function parsed(text: string, window: ParseWindow): Parsed {
  try {
    return parseInWindow(text, window)
  } catch (error) {
    throw asQueryError(error)
  }
}
