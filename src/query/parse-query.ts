import type { Matcher } from '../domain/matcher.ts'
import { parseExpr, parseMetricSelector } from '../promql/parse/parse.ts'
import { asQueryError } from './query-errors.ts'

/** A selector alone (`match[]`). @throws QueryError `bad_data` */
export function parseSelector(text: string): readonly Matcher[] {
  try {
    return parseMetricSelector(text)
  } catch (error) {
    throw asQueryError(error)
  }
}

/** Whether an expression is well formed. @throws QueryError `bad_data` */
export function checkExpression(text: string): void {
  try {
    parseExpr(text)
  } catch (error) {
    throw asQueryError(error)
  }
}
