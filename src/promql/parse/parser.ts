// A recursive-descent parser with precedence climbing. It follows Prometheus' grammar, including what that leaves to its parser
// generator: which construct's words an error uses (see TokenStream.within), and how far a duration after `offset` reaches.
// Prometheus reports the first error only, so this parser stops there.

import type {
  Aggregate,
  AggregateOp,
  AtModifier,
  Binary,
  BinaryOp,
  Expr,
  RangeExtension,
  Span,
  VectorMatching,
  VectorSelector,
} from '../ast.ts'
import { experimentalFunctions, functionSignatures } from '../functions.ts'
import { typeOf } from './check.ts'
import { DurationParser, literalSeconds } from './duration-expression.ts'
import type { ParseWindow } from './parse.ts'
import { modifiable, modified, parseSelector } from './selector.ts'
import { quoteGo, unquote } from './strings.ts'
import { TokenStream } from './token-stream.ts'
import { isExperimental, isLabelName, isMetricName, isSetOperator, POWER_PRECEDENCE, precedence, type Token, takesParam } from './tokens.ts'

/** How deep a tree may be: what walks it recurses, on a stack that a long chain of operators must not exhaust. */
const DEPTH_MAX = 1000

const groupingPlace = (expected: string) => ({ where: 'grouping opts', expected })
const rangePlace = { where: 'subquery or range selector', expected: 'number, duration, step(), or range()' }

export class Parser {
  readonly #tokens: TokenStream
  readonly #durations: DurationParser
  readonly #depths = new WeakMap<Expr, number>()
  #open = 0
  /** The first error of meaning found on the way; told when the syntax turns out to be right. */
  #laterError: { readonly span: Span; readonly message: string } | null = null

  constructor(text: string, window: ParseWindow | null) {
    this.#tokens = new TokenStream(text)
    this.#durations = new DurationParser(this.#tokens, window, DEPTH_MAX)
  }

  get usesWindow(): boolean {
    return this.#durations.usesWindow
  }

  /** The whole text as an expression. @throws PromqlParseError */
  expression(): Expr {
    const tokens = this.#tokens
    if (tokens.isType('end')) tokens.fail({ start: 0, end: 0 }, 'no expression found in input')
    const expr = this.#binary(0)
    this.#finish()
    return expr
  }

  /** The whole text as a selector. @throws PromqlParseError */
  selectorOnly(): VectorSelector {
    const tokens = this.#tokens
    if (!tokens.is('{') && !isMetricName(tokens.peek())) tokens.unexpected()
    const selector = this.#selector(tokens.is('{') ? null : tokens.take())
    this.#finish()
    return selector
  }

  #binary(least: number): Expr {
    this.#enter()
    let left = this.#unary()
    for (;;) {
      const token = this.#tokens.peek()
      const binds = token.type === 'operator' ? (precedence.get(token.word) ?? -1) : -1
      if (binds < least) break
      left = this.#operation(left, this.#tokens.take(), binds)
    }
    this.#open--
    return left
  }

  #operation(left: Expr, token: Token, binds: number): Expr {
    const tokens = this.#tokens
    if (token.word === '</' || token.word === '>/')
      tokens.fail(token, `operator ${quoteGo(token.word)} is for native histograms, which are not supported`)
    // The table of precedences holds no other words.
    const op = token.word as BinaryOp
    const returnBool = tokens.accept('bool') !== null
    const matching = this.#matching()
    const isFilled = this.#fill()
    const right = this.#binary(op === '^' ? binds : binds + 1)
    const span = { start: left.span.start, end: right.span.end }
    if (isFilled) tokens.fail(span, 'binop fill modifiers are experimental and not enabled')
    const areVectors = typeOf(left) === 'vector' && typeOf(right) === 'vector'
    const isSet = isSetOperator(op) && matching.cardinality === 'one-to-one'
    const node: Binary = {
      kind: 'binary',
      span,
      op,
      left,
      right,
      returnBool,
      // Labels where none may be are kept for the type check to refuse.
      matching: !areVectors && matching.labels.length === 0 ? null : isSet ? { ...matching, cardinality: 'many-to-many' } : matching,
    }
    return this.#made(node, left, right)
  }

  #matching(): VectorMatching {
    const tokens = this.#tokens
    const on = tokens.accept('on') !== null
    if (!on && !tokens.accept('ignoring')) return { cardinality: 'one-to-one', on: false, labels: [], include: [] }
    const labels = this.#labels()
    const side = tokens.accept('group_left') ?? tokens.accept('group_right')
    if (side === null) return { cardinality: 'one-to-one', on, labels, include: [] }
    const include = tokens.is('(') ? this.#labels() : []
    return { cardinality: side.word === 'group_left' ? 'many-to-one' : 'one-to-many', on, labels, include }
  }

  /** Fill modifiers are behind a feature flag in Prometheus: parsed, then refused. */
  #fill(): boolean {
    const tokens = this.#tokens
    const first = tokens.accept('fill') ?? tokens.accept('fill_left') ?? tokens.accept('fill_right')
    if (first === null) return false
    this.#fillValue()
    const other = first.word === 'fill_left' ? 'fill_right' : first.word === 'fill_right' ? 'fill_left' : null
    if (other !== null && tokens.accept(other)) this.#fillValue()
    return true
  }

  #fillValue(): void {
    const tokens = this.#tokens
    tokens.expect('(')
    if (!tokens.accept('+')) tokens.accept('-')
    if (!tokens.isType('number', 'duration')) tokens.unexpected()
    literalSeconds(tokens, tokens.take())
    tokens.expect(')')
  }

  #unary(): Expr {
    const tokens = this.#tokens
    const sign = tokens.accept('+') ?? tokens.accept('-')
    if (sign === null) return this.#postfix(this.#primary())
    // Binds as tightly as multiplication: only powers go before it.
    const expr = this.#binary(POWER_PRECEDENCE)
    const span = { start: sign.start, end: expr.span.end }
    if (expr.kind === 'number') return this.#made({ ...expr, span, value: sign.word === '-' ? -expr.value : expr.value })
    return this.#made({ kind: 'unary', span, op: sign.word === '-' ? '-' : '+', expr }, expr)
  }

  #primary(): Expr {
    const tokens = this.#tokens
    const token = tokens.peek()
    if (token.type === 'number' || token.type === 'duration') {
      tokens.take()
      const value = literalSeconds(tokens, token)
      return this.#made({
        kind: 'number',
        span: { start: token.start, end: token.end },
        value,
        ...(token.type === 'duration' && { isDuration: true }),
      })
    }
    if (token.type === 'string') {
      tokens.take()
      return this.#made({ kind: 'string', span: { start: token.start, end: token.end }, value: unquote(token.text) })
    }
    if (tokens.is('(')) return this.#paren()
    if (tokens.is('{')) return this.#selector(null)
    if (!isMetricName(token)) return tokens.unexpected()
    tokens.take()
    if (token.type === 'aggregator' && (tokens.is('(') || tokens.is('by') || tokens.is('without'))) return this.#aggregate(token)
    if ((token.type === 'identifier' || token.type === 'preprocessor') && tokens.is('(')) return this.#call(token)
    return this.#selector(token)
  }

  #selector(name: Token | null): VectorSelector {
    return this.#made(parseSelector(this.#tokens, name, (span, message) => (this.#laterError ??= { span, message })))
  }

  #finish(): void {
    if (!this.#tokens.isType('end')) this.#tokens.unexpected()
    if (this.#laterError) this.#tokens.fail(this.#laterError.span, this.#laterError.message)
  }

  #paren(): Expr {
    const open = this.#tokens.take()
    const expr = this.#binary(0)
    const close = this.#tokens.expect(')')
    return this.#made({ kind: 'paren', span: { start: open.start, end: close.end }, expr }, expr)
  }

  #call(name: Token): Expr {
    const tokens = this.#tokens
    const args = this.#arguments()
    // Names of functions are case-sensitive, as written.
    if (experimentalFunctions.has(name.text)) tokens.fail(name, `function ${quoteGo(name.text)} is not enabled`)
    if (!functionSignatures.has(name.text)) tokens.fail(name, `unknown function with name ${quoteGo(name.text)}`)
    return this.#made({ kind: 'call', span: { start: name.start, end: tokens.lastEnd }, name: name.text, args }, ...args)
  }

  #arguments(): Expr[] {
    const tokens = this.#tokens
    tokens.expect('(')
    if (tokens.accept(')')) return []
    const args = [this.#binary(0)]
    for (;;) {
      const comma = tokens.accept(',')
      if (comma === null) break
      if (!this.#beginsExpression()) tokens.fail(comma, 'trailing commas not allowed in function call args')
      args.push(this.#binary(0))
    }
    tokens.expect(')')
    return args
  }

  #beginsExpression(): boolean {
    const tokens = this.#tokens
    return (
      tokens.isType('number', 'duration', 'string') || ['(', '{', '+', '-'].some((word) => tokens.is(word)) || isMetricName(tokens.peek())
    )
  }

  #aggregate(op: Token): Expr {
    return this.#tokens.within({ where: 'aggregation' }, () => {
      const before = this.#grouping()
      const args = this.#arguments()
      const bodyEnd = this.#tokens.lastEnd
      const grouping = before ?? this.#grouping()
      const end = grouping !== null && before === null ? this.#tokens.lastEnd : bodyEnd
      return this.#aggregation(op, args, grouping, { start: op.start, end })
    })
  }

  #aggregation(token: Token, args: readonly Expr[], grouping: { labels: string[]; without: boolean } | null, span: Span): Expr {
    const tokens = this.#tokens
    // The lexer calls only these words aggregators.
    const op = token.word as AggregateOp
    if (args.length === 0) tokens.fail(span, 'no arguments for aggregate expression provided')
    if (isExperimental(op)) {
      tokens.fail(span, `${op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`)
    }
    const wanted = takesParam(op) ? 2 : 1
    if (args.length !== wanted) {
      tokens.fail(span, `wrong number of arguments for aggregate expression provided, expected ${wanted}, got ${args.length}`)
    }
    const node: Aggregate = {
      kind: 'aggregate',
      span,
      op,
      expr: args[wanted - 1] as Expr,
      param: wanted === 2 ? (args[0] as Expr) : null,
      grouping: grouping?.labels ?? [],
      without: grouping?.without ?? false,
    }
    return this.#made(node, ...args)
  }

  #grouping(): { labels: string[]; without: boolean } | null {
    const tokens = this.#tokens
    const word = tokens.accept('by') ?? tokens.accept('without')
    return word && { labels: this.#labels(), without: word.word === 'without' }
  }

  #labels(): string[] {
    const tokens = this.#tokens
    if (!tokens.accept('(')) tokens.unexpected(groupingPlace('"("'))
    const labels: string[] = []
    while (!tokens.accept(')')) {
      const token = tokens.peek()
      if (token.type !== 'string' && !isLabelName(token)) tokens.unexpected(groupingPlace('label'))
      tokens.take()
      const label = token.type === 'string' ? unquote(token.text) : token.text
      if (label === '') tokens.fail(token, `invalid label name for grouping: ${quoteGo(label)}`)
      labels.push(label)
      if (!tokens.accept(',') && !tokens.is(')')) tokens.unexpected(groupingPlace('"," or ")"'))
    }
    return labels
  }

  /** `[range]`, `[range:step]`, `offset` and `@`: they bind tighter than any operator, in any order. */
  #postfix(primary: Expr): Expr {
    const tokens = this.#tokens
    let expr = primary
    for (;;) {
      if (tokens.is('[')) expr = this.#range(expr)
      else if (tokens.is('offset')) expr = this.#offset(expr)
      else if (tokens.is('@')) expr = this.#at(expr)
      else if (tokens.is('anchored')) expr = this.#extended(expr, 'anchored')
      else if (tokens.is('smoothed')) expr = this.#extended(expr, 'smoothed')
      else return expr
    }
  }

  #range(expr: Expr): Expr {
    const tokens = this.#tokens
    const open = tokens.take()
    const rangeMs = tokens.within(rangePlace, () => this.#durations.positive())
    if (tokens.accept(':')) return this.#subquery(expr, rangeMs)
    if (!tokens.is(']')) tokens.unexpected({ where: 'subquery or range', expected: '":" or "]"' })
    const brackets = { start: open.start, end: tokens.take().end }
    if (expr.kind !== 'selector') return tokens.fail(brackets, 'ranges only allowed for vector selectors')
    if (expr.offsetMs !== 0) tokens.fail(brackets, 'no offset modifiers allowed before range')
    if (expr.at !== null) tokens.fail(brackets, 'no @ modifiers allowed before range')
    return this.#made({ kind: 'matrix', span: { start: expr.span.start, end: brackets.end }, selector: expr, rangeMs }, expr)
  }

  #subquery(expr: Expr, rangeMs: number): Expr {
    const tokens = this.#tokens
    let stepMs: number | null = null
    if (!tokens.is(']')) {
      const place = { where: 'subquery selector', expected: 'number, duration, step(), range(), or "]"' }
      stepMs = tokens.within(place, () => this.#durations.positive())
    }
    if (!tokens.is(']')) tokens.unexpected({ where: 'subquery selector', expected: '"]"' })
    const span = { start: expr.span.start, end: tokens.take().end }
    return this.#made({ kind: 'subquery', span, expr, rangeMs, stepMs, offsetMs: 0, at: null }, expr)
  }

  #offset(expr: Expr): Expr {
    const tokens: TokenStream = this.#tokens
    tokens.take()
    const place = { where: 'offset', expected: 'number, duration, step(), or range()' }
    const offsetMs = tokens.within(place, () => this.#durations.offset())
    const target = modifiable(expr)
    if (target === null) {
      tokens.fail(expr.span, 'offset modifier must be preceded by an instant vector selector or range vector selector or a subquery')
    }
    if (target.offsetMs !== 0) tokens.fail(expr.span, 'offset may not be set multiple times')
    return this.#made(modified(expr, { offsetMs }, tokens.lastEnd), expr)
  }

  #at(expr: Expr): Expr {
    const tokens: TokenStream = this.#tokens
    tokens.take()
    const at = tokens.within({ where: '@', expected: 'timestamp' }, () => this.#atTime(expr.span))
    const target = modifiable(expr)
    if (target === null) {
      tokens.fail(expr.span, '@ modifier must be preceded by an instant vector selector or range vector selector or a subquery')
    }
    if (target.at !== null) tokens.fail(expr.span, '@ <timestamp> may not be set multiple times')
    return this.#made(modified(expr, { at }, tokens.lastEnd), expr)
  }

  #extended(expr: Expr, extension: RangeExtension): Expr {
    const tokens: TokenStream = this.#tokens
    tokens.take()
    if (expr.kind === 'subquery') tokens.fail(expr.span, `${extension} modifier is not supported for subqueries`)
    const target = modifiable(expr)
    if (target === null || target.kind === 'subquery') tokens.fail(expr.span, `${extension} modifier not implemented`)
    if ((target.extension ?? extension) !== extension) {
      tokens.fail(expr.span, 'anchored and smoothed modifiers cannot be used together')
    }
    return this.#made(modified(expr, { extension }, expr.span.end), expr)
  }

  #atTime(span: Span): AtModifier {
    const tokens = this.#tokens
    if (tokens.is('start') || tokens.is('end')) {
      const kind = tokens.take().word === 'start' ? 'start' : 'end'
      tokens.expect('(')
      tokens.expect(')')
      return { kind }
    }
    const sign = tokens.accept('+') ?? tokens.accept('-')
    if (!tokens.isType('number', 'duration')) tokens.unexpected()
    const magnitude = literalSeconds(tokens, tokens.take())
    const seconds = sign?.word === '-' ? -magnitude : magnitude
    if (!(Math.abs(seconds) < 2 ** 63)) {
      const shown = Number.isNaN(seconds) ? 'NaN' : Number.isFinite(seconds) ? `${BigInt(seconds)}.000000` : seconds > 0 ? '+Inf' : '-Inf'
      tokens.fail(span, `timestamp out of bounds for @ modifier: ${shown}`)
    }
    return { kind: 'time', timeMs: Math.sign(seconds) * Math.round(Math.abs(seconds) * 1000) + 0 }
  }

  #enter(): void {
    if (++this.#open > DEPTH_MAX) this.#tokens.fail(this.#tokens.peek(), `expression is nested more than ${DEPTH_MAX} deep`)
  }

  /** Registers a node's depth: a long chain of operators makes a deep tree without nesting in the text. */
  #made<Node extends Expr>(node: Node, ...children: readonly Expr[]): Node {
    let depth = 1
    for (const child of children) depth = Math.max(depth, (this.#depths.get(child) ?? 0) + 1)
    if (depth > DEPTH_MAX) this.#tokens.fail(node.span, `expression is nested more than ${DEPTH_MAX} deep`)
    this.#depths.set(node, depth)
    return node
  }
}
