import type { AtModifier, Expr } from '../ast.ts'

/** Functions that depend on the time of evaluation although their arguments do not. */
const timeDependent: ReadonlySet<string> = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year'],
  ...['predict_linear', 'time', 'timestamp'],
])

/** Parentheses around arguments of functions and aggregations say nothing. */
export function unwrap(expr: Expr): Expr {
  let inner = expr
  while (inner.kind === 'paren') inner = inner.expr
  return inner
}

/**
 * The highest nodes whose value is the same at every step: they read at a fixed time (`@`). Evaluated at the first step, repeated at
 * the others. Constants are left alone: they cost nothing.
 */
export function findInvariant(expr: Expr): Set<Expr> {
  const found = new Set<Expr>()
  if (visit(expr, found).wrap) found.add(expr)
  return found
}

interface Nature {
  readonly invariant: boolean
  /** Worth being evaluated once: an invariant node that is neither a range nor a constant. */
  readonly wrap: boolean
}

const isFixed = (at: AtModifier): boolean => at !== null

function visit(expr: Expr, found: Set<Expr>): Nature {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return { invariant: true, wrap: false }
    case 'selector':
      return { invariant: isFixed(expr.at), wrap: isFixed(expr.at) }
    case 'matrix':
      return { invariant: isFixed(expr.selector.at), wrap: false }
    case 'paren':
    case 'unary':
      return visit(expr.expr, found)
    case 'aggregate':
      // The parameter does not count, as in Prometheus: `topk(scalar(k), metric @ 0)` is evaluated once.
      return visit(unwrap(expr.expr), found)
    case 'subquery': {
      const inner = visit(expr.expr, found)
      if (inner.invariant) found.add(expr.expr)
      return { invariant: isFixed(expr.at), wrap: false }
    }
    case 'binary': {
      const left = visit(expr.left, found)
      const right = visit(expr.right, found)
      if (left.invariant && right.invariant) return { invariant: true, wrap: true }
      if (left.wrap) found.add(expr.left)
      if (right.wrap) found.add(expr.right)
      return { invariant: false, wrap: false }
    }
    case 'call':
      return visitCall(expr.name, expr.args.map(unwrap), found)
  }
}

function visitCall(name: string, args: readonly Expr[], found: Set<Expr>): Nature {
  const natures = args.map((arg) => visit(arg, found))
  const invariant = natures.every((nature) => nature.invariant)
  const sampleTimes = name === 'timestamp' && args.every((arg) => arg.kind === 'selector')
  if (invariant && (!timeDependent.has(name) || sampleTimes)) return { invariant: true, wrap: true }
  for (let i = 0; i < args.length; i++) if (natures[i]?.wrap) found.add(args[i] as Expr)
  return { invariant: false, wrap: false }
}
