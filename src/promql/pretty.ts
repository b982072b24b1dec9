import type { Expr } from './ast.ts'
import { printAggregateHead, printExpr, printMatching, printSubqueryTail } from './print.ts'

/** In bytes. */
const LINE_LENGTH_MAX = 100
const utf8 = new TextEncoder()

/** The expression as Prometheus' `format_query` lays it out: what is longer than a line is broken at its operators and arguments. */
export function prettyExpr(expr: Expr): string {
  return pretty(expr, 0)
}

function pretty(expr: Expr, level: number): string {
  const indent = '  '.repeat(level)
  const plain = printExpr(expr)
  const fits = utf8.encode(plain).length <= LINE_LENGTH_MAX
  switch (expr.kind) {
    case 'unary':
      return `${indent}${expr.op}${pretty(expr.expr, level).trim()}`
    case 'subquery':
      // Prometheus does not indent one that fits.
      return fits ? plain : `${pretty(expr.expr, level)}${printSubqueryTail(expr)}`
    case 'binary': {
      if (fits) return indent + plain
      const operator = `${expr.op}${expr.returnBool ? ' bool' : ''}${printMatching(expr.matching)}`
      return `${pretty(expr.left, level + 1)}\n${indent}${operator}\n${pretty(expr.right, level + 1)}`
    }
    case 'aggregate': {
      if (fits) return indent + plain
      const param = expr.param === null ? '' : `${pretty(expr.param, level + 1)},\n`
      return `${indent}${printAggregateHead(expr)}(\n${param}${pretty(expr.expr, level + 1)}\n${indent})`
    }
    case 'call': {
      if (fits) return indent + plain
      const args = expr.args.map((argument) => pretty(argument, level + 1)).join(',\n')
      return `${indent}${expr.name}(\n${args}\n${indent})`
    }
    case 'paren':
      return fits ? indent + plain : `${indent}(\n${pretty(expr.expr, level + 1)}\n${indent})`
    default:
      return indent + plain
  }
}
