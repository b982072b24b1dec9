// Durations in `[...]` and after `offset`: literals ("5m", 300) and arithmetic on them, with `step()` and `range()` of the query.
// They are worked out while they are parsed.

import { isOutOfRange, literalMs, parseDuration } from './durations.ts'
import { parseNumber } from './numbers.ts'
import type { ParseWindow } from './parse.ts'
import type { TokenStream } from './token-stream.ts'
import { POWER_PRECEDENCE, precedence, type Token } from './tokens.ts'

interface Duration {
  readonly seconds: number
  /** A bare literal: Prometheus rounds and checks those while parsing, all others when evaluating. */
  readonly isLiteral: boolean
  readonly start: number
  readonly end: number
}

export class DurationParser {
  readonly #tokens: TokenStream
  readonly #window: ParseWindow | null
  readonly #depthMax: number
  #depth = 0
  usesWindow = false

  constructor(tokens: TokenStream, window: ParseWindow | null, depthMax: number) {
    this.#tokens = tokens
    this.#window = window
    this.#depthMax = depthMax
  }

  /** A range, or the step of a subquery: greater than 0. Milliseconds. */
  positive(): number {
    const duration = this.#expression(0)
    if (duration.seconds <= 0 && (duration.isLiteral || this.#isKnown())) {
      this.#tokens.fail(duration, 'duration must be greater than 0')
    }
    return this.#ms(duration)
  }

  /** What follows `offset`: a literal, a call or a negated parenthesis ends there; only an expression in parentheses goes on. */
  offset(): number {
    const tokens = this.#tokens
    const sign = tokens.is('+') || tokens.is('-') ? tokens.take() : null
    if (tokens.isType('number', 'duration', 'preprocessor') || (sign && tokens.is('(')))
      return this.#ms(this.#signed(sign, this.#primary()))
    if (!sign) return this.#ms(this.#expression(0))
    return this.#ms(this.#rest(this.#signed(sign, this.#expression(POWER_PRECEDENCE)), 0))
  }

  #isKnown(): boolean {
    return this.#window !== null || !this.usesWindow
  }

  #ms(duration: Duration): number {
    if (duration.isLiteral) return literalMs(duration.seconds)
    if (!Number.isFinite(duration.seconds)) {
      if (this.#isKnown()) this.#tokens.fail(duration, 'duration is NaN or infinite')
      return 1
    }
    if (isOutOfRange(duration.seconds)) this.#tokens.fail(duration, 'duration is out of range')
    return Math.trunc(duration.seconds * 1000) + 0
  }

  #expression(least: number): Duration {
    if (++this.#depth > this.#depthMax) this.#tokens.fail(this.#tokens.peek(), `duration is nested more than ${this.#depthMax} deep`)
    const sign = this.#tokens.accept('+') ?? this.#tokens.accept('-')
    const left = sign ? this.#signed(sign, this.#expression(POWER_PRECEDENCE)) : this.#primary()
    const result = this.#rest(left, least)
    this.#depth--
    return result
  }

  #rest(first: Duration, least: number): Duration {
    let left = first
    for (;;) {
      const token = this.#tokens.peek()
      const binds = token.type === 'operator' && '+-*/%^'.includes(token.word) ? (precedence.get(token.word) as number) : -1
      if (binds < least) return left
      this.#tokens.take()
      const right = this.#expression(token.word === '^' ? binds : binds + 1)
      left = this.#combine(left, token, right)
    }
  }

  #signed(sign: Token | null, operand: Duration): Duration {
    if (sign === null) return operand
    const seconds = sign.word === '-' ? -operand.seconds : operand.seconds
    return { ...operand, seconds, start: sign.start }
  }

  #combine(left: Duration, op: Token, right: Duration): Duration {
    if (right.seconds === 0 && (op.word === '/' || op.word === '%') && (right.isLiteral || this.#isKnown())) {
      this.#tokens.fail(op, op.word === '/' ? 'division by zero' : 'modulo by zero')
    }
    return { seconds: compute(left.seconds, op.word, right.seconds), isLiteral: false, start: left.start, end: right.end }
  }

  #primary(): Duration {
    const tokens = this.#tokens
    if (tokens.isType('number', 'duration')) return this.#literal(tokens.take())
    const open = tokens.accept('(')
    if (open) {
      const inner = this.#expression(0)
      const close = tokens.expect(')')
      return { seconds: inner.seconds, isLiteral: false, start: open.start, end: close.end }
    }
    return tokens.isType('preprocessor') ? this.#call() : tokens.unexpected()
  }

  #literal(token: Token): Duration {
    const seconds = literalSeconds(this.#tokens, token)
    if (isOutOfRange(seconds)) this.#tokens.fail(token, 'duration out of range')
    return { seconds, isLiteral: true, start: token.start, end: token.end }
  }

  #call(): Duration {
    const tokens = this.#tokens
    if (tokens.is('start') || tokens.is('end')) tokens.unexpected()
    const name = tokens.take()
    tokens.expect('(')
    let seconds = 0
    if (name.word === 'step' || name.word === 'range') {
      this.usesWindow = true
      seconds = ((name.word === 'step' ? this.#window?.stepMs : this.#window?.rangeMs) ?? 1000) / 1000
    } else {
      const left = this.#expression(0)
      tokens.expect(',')
      const right = this.#expression(0)
      seconds = (name.word === 'min_of' ? Math.min : Math.max)(left.seconds, right.seconds)
    }
    const close = tokens.expect(')')
    return { seconds, isLiteral: false, start: name.start, end: close.end }
  }
}

/** Seconds of a number or duration token. */
export function literalSeconds(tokens: TokenStream, token: Token): number {
  if (token.type === 'number') {
    const parsed = parseNumber(token.text)
    return 'error' in parsed ? tokens.fail(token, `error parsing number: ${parsed.error}`) : parsed.value
  }
  const parsed = parseDuration(token.text)
  return 'error' in parsed ? tokens.fail(token, parsed.error) : parsed.ms / 1000
}

function compute(left: number, op: string, right: number): number {
  switch (op) {
    case '+':
      return left + right
    case '-':
      return left - right
    case '*':
      return left * right
    case '/':
      return left / right
    case '%':
      return left % right
    default:
      return left ** right
  }
}
