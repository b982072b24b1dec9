import { METRIC_NAME } from '../domain/labels.ts'
import type { AtModifier, Expr, Subquery, VectorSelector } from '../promql/ast.ts'
import { functionSignatures } from '../promql/functions.ts'
import { parseExpr } from '../promql/parse/parse.ts'
import { formatDecimal } from '../promql/print.ts'
import { asQueryError } from './query-errors.ts'

/** An expression as the tree that Prometheus' `/api/v1/parse_query` gives to tree views. @throws QueryError `bad_data` */
export function expressionTree(text: string): unknown {
  try {
    return node(parseExpr(text))
  } catch (error) {
    throw asQueryError(error)
  }
}

function node(expr: Expr): unknown {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatDecimal(expr.value) }
    case 'string':
      return { type: 'stringLiteral', val: expr.value }
    case 'selector':
      return { type: 'vectorSelector', ...selector(expr) }
    case 'matrix':
      return { type: 'matrixSelector', ...selector(expr.selector), range: expr.rangeMs, rangeExpr: null }
    case 'subquery':
      return {
        type: 'subquery',
        expr: node(expr.expr),
        range: expr.rangeMs,
        rangeExpr: null,
        step: expr.stepMs ?? 0,
        stepExpr: null,
        ...time(expr),
      }
    case 'paren':
      return { type: 'parenExpr', expr: node(expr.expr) }
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: node(expr.expr) }
    case 'binary': {
      const { matching } = expr
      return {
        type: 'binaryExpr',
        op: expr.op,
        lhs: node(expr.left),
        rhs: node(expr.right),
        matching: matching && {
          card: matching.cardinality,
          labels: matching.labels,
          on: matching.on,
          include: matching.include,
          fillValues: { lhs: null, rhs: null },
        },
        bool: expr.returnBool,
      }
    }
    case 'aggregate':
      return {
        type: 'aggregation',
        op: expr.op,
        expr: node(expr.expr),
        param: expr.param && node(expr.param),
        grouping: expr.grouping,
        without: expr.without,
      }
    case 'call': {
      const signature = functionSignatures.get(expr.name)
      return {
        type: 'call',
        func: {
          name: expr.name,
          argTypes: signature?.args ?? [],
          variadic: signature?.variadic ?? 0,
          returnType: signature?.returns ?? 'vector',
        },
        args: expr.args.map(node),
      }
    }
  }
}

function selector(selected: VectorSelector): object {
  // A name before the braces is the last of the matchers in Prometheus' tree.
  const named = selected.matchers.filter(({ name, type }) => name === METRIC_NAME && type === '=')
  const others = selected.matchers.filter((matcher) => !named.includes(matcher))
  return {
    name: named[0]?.value ?? '',
    matchers: [...others, ...named].map(({ name, type, value }) => ({ name, value, type })),
    anchored: selected.extension === 'anchored',
    smoothed: selected.extension === 'smoothed',
    ...time(selected),
  }
}

function time({ offsetMs, at }: VectorSelector | Subquery): object {
  return { offset: offsetMs, offsetExpr: null, timestamp: at?.kind === 'time' ? at.timeMs : null, startOrEnd: edge(at) }
}

function edge(at: AtModifier): string | null {
  return at === null || at.kind === 'time' ? null : at.kind
}
