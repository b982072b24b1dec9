import { METRIC_NAME } from '../../domain/labels.ts'
import type { Matcher, MatchType } from '../../domain/matcher.ts'
import type { Expr, Span, VectorSelector } from '../ast.ts'
import { compileMatcher } from '../matching.ts'
import { quoteGo, unquote } from './strings.ts'
import type { TokenStream } from './token-stream.ts'
import type { Token } from './tokens.ts'

/**
 * Parses `{...}`, after the metric's name if there is one.
 * @param onSecondName told when the braces name the metric again: an error of meaning, which errors of syntax go before
 */
export function parseSelector(
  tokens: TokenStream,
  name: Token | null,
  onSecondName: (span: Span, message: string) => void,
): VectorSelector {
  const start = name?.start ?? tokens.peek().start
  const matchers = tokens.is('{') ? parseMatchers(tokens) : []
  const span = { start, end: tokens.lastEnd }
  if (name) {
    const second = matchers.find((matcher) => matcher.name === METRIC_NAME)
    if (second) onSecondName(span, `metric name must not be set twice: ${quoteGo(name.text)} or ${quoteGo(second.value)}`)
    matchers.push({ name: METRIC_NAME, type: '=', value: name.text })
  }
  return { kind: 'selector', span, matchers, offsetMs: 0, at: null }
}

function parseMatchers(tokens: TokenStream): Matcher[] {
  const matchers: Matcher[] = []
  tokens.expect('{')
  while (!tokens.accept('}')) {
    matchers.push(parseMatcher(tokens))
    if (!tokens.accept(',') && !tokens.is('}')) tokens.unexpected({ where: 'label matching', expected: '"," or "}"' })
  }
  return matchers
}

function parseMatcher(tokens: TokenStream): Matcher {
  if (!tokens.isType('identifier', 'string')) tokens.unexpected({ where: 'label matching', expected: 'identifier or "}"' })
  const label = tokens.take()
  const name = label.type === 'string' ? unquote(label.text) : label.text
  const type = asMatchType(tokens.peek())
  if (type === null) {
    if (label.type === 'string') return { name: METRIC_NAME, type: '=', value: name }
    tokens.unexpected({ where: 'label matching', expected: 'label matching operator' })
  }
  tokens.take()
  if (!tokens.isType('string')) tokens.unexpected({ where: 'label matching', expected: 'string' })
  const value = tokens.take()
  const matcher: Matcher = { name, type, value: unquote(value.text) }
  try {
    compileMatcher(matcher)
  } catch (error) {
    tokens.fail({ start: label.start, end: value.end }, error instanceof Error ? error.message : String(error))
  }
  return matcher
}

function asMatchType(token: Token): MatchType | null {
  if (token.type !== 'operator' && token.type !== 'punctuation') return null
  return token.text === '=' || token.text === '!=' || token.text === '=~' || token.text === '!~' ? token.text : null
}

/** The selector that `offset` and `@` modify: the expression's own, the one in its range, or the subquery itself. */
export function modifiable(expr: Expr): VectorSelector | Extract<Expr, { kind: 'subquery' }> | null {
  if (expr.kind === 'selector' || expr.kind === 'subquery') return expr
  return expr.kind === 'matrix' ? expr.selector : null
}

/** The expression with what it modifies changed, and its end moved. */
export function modified(expr: Expr, change: Partial<Pick<VectorSelector, 'offsetMs' | 'at' | 'extension'>>, end: number): Expr {
  const span = { start: expr.span.start, end }
  if (expr.kind === 'matrix') return { ...expr, span, selector: { ...expr.selector, ...change } }
  return expr.kind === 'selector' || expr.kind === 'subquery' ? { ...expr, span, ...change } : expr
}
