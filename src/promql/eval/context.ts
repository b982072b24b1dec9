import type { SeriesColumns } from '../../domain/series.ts'
import type { TimestampMs } from '../../domain/time.ts'
import type { Expr, VectorSelector } from '../ast.ts'
import { PromqlLimitError } from '../errors.ts'
import type { EvalLimits, LoadedSeries } from '../evaluate.ts'
import type { AnnotationCollector } from './annotations.ts'
import type { Grid } from './table.ts'

/** Cells that any table may have. */
const CELLS_FREE = 1_000_000

function tooManySamples(): PromqlLimitError {
  return new PromqlLimitError('query processing would load too many samples into memory in query execution')
}

/** How many points and samples are held at once, and when to look whether the evaluation must end. */
export class Budget {
  readonly #limits: EvalLimits
  #held = 0
  #work = 0

  constructor(limits: EvalLimits) {
    this.#limits = limits
  }

  get held(): number {
    return this.#held
  }

  /** @throws PromqlLimitError if what is held is now too much. */
  hold(points: number): void {
    this.#held += points
    if (this.#held > this.#limits.samplesMax) throw tooManySamples()
  }

  /**
   * To be asked before a table of so many cells is made. Tables have a cell for each row and step, also where there is no point, so
   * many short-lived series over many steps would take more memory than their points tell.
   */
  makeRoom(cells: number): void {
    if (cells > Math.max(CELLS_FREE, 2 * this.#limits.samplesMax)) throw tooManySamples()
  }

  /** Checks that so many more could be held. */
  reserve(points: number): void {
    this.hold(points)
    this.#held -= points
  }

  /** What is held is back to what it was. */
  releaseTo(held: number): void {
    this.#held = held
  }

  /** To be told of work done, in points; calls the checkpoint every some thousands. */
  work(points: number): void {
    this.#work += points + 16
    if (this.#work < 20_000) return
    this.#work = 0
    this.#limits.checkpoint()
  }
}

/** What the parts of one evaluation share; a subquery evaluates in a context of its own steps. */
export interface Context {
  readonly grid: Grid
  readonly lookbackMs: number
  /** What `@ start()` and `@ end()` mean: those of the whole query. */
  readonly queryStartMs: TimestampMs
  readonly queryEndMs: TimestampMs
  readonly loaded: LoadedSeries
  readonly budget: Budget
  readonly annotations: AnnotationCollector
  /** Nodes whose value is the same at every step, so evaluated once. */
  readonly invariant: ReadonlySet<Expr>
}

export function onGrid(context: Context, grid: Grid): Context {
  return { ...context, grid }
}

export function loadedFor(context: Context, selector: VectorSelector): readonly SeriesColumns[] {
  return context.loaded.get(selector) ?? []
}
