import type { Matcher } from '../domain/matcher.ts'
import { parseExpr, parseMetricSelector } from '../promql/parse/parse.ts'
import { prettyExpr } from '../promql/pretty.ts'
import { asQueryError } from './query-errors.ts'

/** A selector alone (`match[]`). @throws QueryError `bad_data` */
export function parseSelector(text: string): readonly Matcher[] {
  try {
    return parseMetricSelector(text)
  } catch (error) {
    throw asQueryError(error)
  }
}

/** The canonical text of an expression. @throws QueryError `bad_data` */
export function formatExpression(text: string): string {
  try {
    return prettyExpr(parseExpr(text))
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
