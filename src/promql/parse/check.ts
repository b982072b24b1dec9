import { invariant } from '../../stdx/invariant.ts'
import type { Aggregate, Binary, Call, Expr, ValueType, VectorSelector } from '../ast.ts'
import { type FunctionSignature, functionSignatures } from '../functions.ts'
import { matchesEmpty } from '../matching.ts'
import { parseError } from './fail.ts'
import { quoteGo } from './strings.ts'
import { isComparison, isSetOperator } from './tokens.ts'

/** What an expression yields. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar'
    case 'string':
      return 'string'
    case 'selector':
    case 'aggregate':
      return 'vector'
    case 'matrix':
    case 'subquery':
      return 'matrix'
    case 'paren':
    case 'unary':
      return typeOf(expr.expr)
    case 'binary':
      return typeOf(expr.left) === 'scalar' && typeOf(expr.right) === 'scalar' ? 'scalar' : 'vector'
    case 'call':
      return signatureOf(expr).returns
  }
}

/** Checks types, in the order in which Prometheus reports them. @throws PromqlParseError */
export function check(text: string, expr: Expr): void {
  new Checker(text).visit(expr)
}

function signatureOf(call: Call): FunctionSignature {
  const signature = functionSignatures.get(call.name)
  invariant(signature, `the parser let the unknown function ${call.name} through`)
  return signature
}

function documented(type: ValueType): string {
  return type === 'vector' ? 'instant vector' : type === 'matrix' ? 'range vector' : type
}

class Checker {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  visit(expr: Expr): ValueType {
    switch (expr.kind) {
      case 'number':
      case 'string':
        break
      case 'selector':
        this.#selector(expr)
        break
      case 'matrix':
        this.#selector(expr.selector)
        break
      case 'subquery': {
        const type = this.visit(expr.expr)
        if (type !== 'vector') this.#fail(expr, `subquery is only allowed on instant vector, got ${type} instead`)
        break
      }
      case 'paren':
        return this.visit(expr.expr)
      case 'unary': {
        const type = this.visit(expr.expr)
        if (type !== 'scalar' && type !== 'vector') {
          const got = quoteGo(documented(type))
          this.#fail(expr, `unary expression only allowed on expressions of type scalar or instant vector, got ${got}`)
        }
        return type
      }
      case 'binary':
        return this.#binary(expr)
      case 'aggregate':
        this.#aggregate(expr)
        break
      case 'call':
        this.#call(expr)
    }
    return typeOf(expr)
  }

  #selector(selector: VectorSelector): void {
    if (selector.matchers.every((matcher) => matchesEmpty(matcher))) {
      this.#fail(selector, 'vector selector must contain at least one non-empty matcher')
    }
  }

  #aggregate(node: Aggregate): void {
    this.#expect(node.expr, 'vector', 'aggregation expression')
    if (node.param !== null) this.#expect(node.param, node.op === 'count_values' ? 'string' : 'scalar', 'aggregation parameter')
  }

  #expect(expr: Expr, want: ValueType, where: string): void {
    const got = this.visit(expr)
    if (got !== want) this.#fail(expr, `expected type ${documented(want)} in ${where}, got ${documented(got)}`)
  }

  #binary(node: Binary): ValueType {
    const { op, matching } = node
    const left = this.visit(node.left)
    const right = this.visit(node.right)
    if (node.returnBool && !isComparison(op)) this.#failAtOperator(node, 'bool modifier can only be used on comparison operators')
    if (isComparison(op) && !node.returnBool && left === 'scalar' && right === 'scalar') {
      this.#failAtOperator(node, 'comparisons between scalars must use BOOL modifier')
    }
    const twice = matching?.on ? matching.labels.find((label) => matching.include.includes(label)) : undefined
    if (twice !== undefined) this.#failAtOperator(node, `label ${quoteGo(twice)} must not occur in ON and GROUP clause at once`)
    for (const [operand, type] of [[node.left, left] as const, [node.right, right] as const]) {
      if (type !== 'scalar' && type !== 'vector') this.#fail(operand, 'binary expression must contain only scalar and instant vector types')
    }
    const areVectors = left === 'vector' && right === 'vector'
    if (!areVectors && matching !== null && matching.labels.length > 0) {
      this.#fail(node, 'vector matching only allowed between instant vectors')
    }
    if (areVectors && isSetOperator(op) && matching !== null && matching.cardinality !== 'many-to-many') {
      this.#fail(node, `no grouping allowed for ${quoteGo(op)} operation`)
    }
    if (!areVectors && isSetOperator(op)) this.#fail(node, `set operator ${quoteGo(op)} not allowed in binary scalar expression`)
    return left === 'scalar' && right === 'scalar' ? 'scalar' : 'vector'
  }

  #call(node: Call): void {
    const { args: wanted, variadic } = signatureOf(node)
    const given = node.args.length
    const name = quoteGo(node.name)
    const least = variadic === 0 ? wanted.length : wanted.length - 1
    if (variadic === 0 && given !== least) this.#fail(node, `expected ${least} argument(s) in call to ${name}, got ${given}`)
    if (given < least) this.#fail(node, `expected at least ${least} argument(s) in call to ${name}, got ${given}`)
    if (variadic > 0 && given > least + variadic) {
      this.#fail(node, `expected at most ${least + variadic} argument(s) in call to ${name}, got ${given}`)
    }
    for (const [index, arg] of node.args.entries()) {
      const want = wanted[Math.min(index, wanted.length - 1)] as ValueType
      const got = this.visit(arg)
      if (got !== want) this.#fail(arg, `expected type ${documented(want)} in call to function ${name}, got ${documented(got)}`)
    }
  }

  #failAtOperator(node: Binary, message: string): never {
    let start = node.left.span.end
    while (' \t\n\r'.includes(this.#text[start] as string)) start++
    throw parseError(this.#text, start, node.right.span.start, message)
  }

  #fail(node: Expr, message: string): never {
    throw parseError(this.#text, node.span.start, node.span.end, message)
  }
}
