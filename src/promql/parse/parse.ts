import { limits } from '../../domain/limits.ts'
import type { Matcher } from '../../domain/matcher.ts'
import type { Expr } from '../ast.ts'
import { PromqlParseError } from '../errors.ts'
import { check } from './check.ts'
import { Parser } from './parser.ts'

/** What `step()` and `range()` in a duration stand for: the query's own step and length (both 0 in an instant query). */
export interface ParseWindow {
  readonly stepMs: number
  readonly rangeMs: number
}

export interface Parsed {
  readonly expr: Expr
  /** Whether a duration used `step()` or `range()`: the tree then holds for this window only. */
  readonly usesWindow: boolean
}

/**
 * Parses and type-checks an expression of PromQL, as Prometheus 3.16 does without feature flags.
 * Without a window, durations made of `step()` or `range()` are checked but have no meaning: for a check of the text only.
 * @throws PromqlParseError with Prometheus' text
 */
export function parseExpr(text: string, window: ParseWindow | null = null): Expr {
  return parseInWindow(text, window).expr
}

/** As `parseExpr`; for who caches trees. */
export function parseInWindow(text: string, window: ParseWindow | null): Parsed {
  checkLength(text)
  const parser = new Parser(text, window)
  const expr = parser.expression()
  check(text, expr)
  return { expr, usesWindow: parser.usesWindow }
}

/** Parses a selector alone (`match[]`): `name{label="value"}`, without range, offset or @. @throws PromqlParseError */
export function parseMetricSelector(text: string): readonly Matcher[] {
  checkLength(text)
  const selector = new Parser(text, null).selectorOnly()
  check(text, selector)
  return selector.matchers
}

function checkLength(text: string): void {
  if (text.length > limits.queryLengthMax) {
    throw new PromqlParseError(`the query is ${text.length} characters long; at most ${limits.queryLengthMax} are allowed`, {
      start: 0,
      end: text.length,
    })
  }
}
