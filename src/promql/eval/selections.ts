import type { TimeRange, TimestampMs } from '../../domain/time.ts'
import type { AtModifier, Expr, VectorSelector } from '../ast.ts'
import type { EvalWindow, Selection } from '../evaluate.ts'
import { reachBeyond } from './selector.ts'
import { subqueryGrid } from './subquery.ts'
import { makeGrid } from './table.ts'

/** What each selector of an expression reads over all steps, in the order of the text. */
export function findSelections(expr: Expr, window: EvalWindow): Selection[] {
  const grid = makeGrid(window.startMs, window.endMs, window.stepMs)
  const last = grid.times[grid.count - 1]
  const found: Selection[] = []
  if (last !== undefined) new Finder(window, found).visit(expr, { startMs: window.startMs, endMs: last })
  return found
}

/** Follows the times of evaluation (both ends among them) down to the selectors. */
class Finder {
  readonly #window: EvalWindow
  readonly #found: Selection[]

  constructor(window: EvalWindow, found: Selection[]) {
    this.#window = window
    this.#found = found
  }

  visit(expr: Expr, times: TimeRange): void {
    switch (expr.kind) {
      case 'number':
      case 'string':
        return
      case 'selector':
        this.#add(expr, times, this.#window.lookbackMs, expr.extension === 'smoothed' ? this.#window.lookbackMs : 0)
        return
      case 'matrix': {
        const { before, after } = reachBeyond(expr.selector.extension ?? null, this.#window.lookbackMs)
        this.#add(expr.selector, times, expr.rangeMs + before, after)
        return
      }
      case 'subquery': {
        const ends = this.#ends(expr.at, expr.offsetMs, times)
        const { times: steps, count } = subqueryGrid(expr, ends.startMs, ends.endMs)
        if (count > 0) this.visit(expr.expr, { startMs: steps[0] as number, endMs: steps[count - 1] as number })
        return
      }
      case 'paren':
      case 'unary':
        this.visit(expr.expr, times)
        return
      case 'binary':
        this.visit(expr.left, times)
        this.visit(expr.right, times)
        return
      case 'aggregate':
        if (expr.param !== null) this.visit(expr.param, times)
        this.visit(expr.expr, times)
        return
      case 'call':
        for (const arg of expr.args) this.visit(arg, times)
    }
  }

  #add(selector: VectorSelector, times: TimeRange, before: number, after: number): void {
    const { startMs, endMs } = this.#ends(selector.at, selector.offsetMs, times)
    this.#found.push({ selector, matchers: selector.matchers, range: { startMs: startMs - before, endMs: endMs + after } })
  }

  /** The first and the last time looked back from. */
  #ends(at: AtModifier, offsetMs: number, times: TimeRange): TimeRange {
    const fixed = this.#fixed(at)
    return { startMs: (fixed ?? times.startMs) - offsetMs, endMs: (fixed ?? times.endMs) - offsetMs }
  }

  #fixed(at: AtModifier): TimestampMs | null {
    if (at === null) return null
    if (at.kind === 'time') return at.timeMs
    return at.kind === 'start' ? this.#window.startMs : this.#window.endMs
  }
}
