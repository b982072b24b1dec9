// Cuts a query into tokens, as Prometheus' lexer does, so that the same text gives the same tokens and the same errors.
// It has three modes: plain text, inside `{}` (no keywords there), and inside `[]` up to the first number (durations only).

import { parseError } from './fail.ts'
import { quoteGo, quoteRune, unicodeName } from './strings.ts'
import { keywords, type Token, type TokenType } from './tokens.ts'

const END = -1
const spaces = ' \t\n\r'
const isDigit = (char: string): boolean => char >= '0' && char <= '9' && char !== ''
const isAlpha = (char: string): boolean => char === '_' || (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z')
const isAlphaNumeric = (char: string): boolean => isAlpha(char) || isDigit(char)
const durationKeywords: ReadonlySet<string> = new Set(['step', 'range', 'max_of', 'min_of'])

export class Lexer {
  readonly #text: string
  #at = 0
  #start = 0
  #parens = 0
  #mode: 'plain' | 'braces' | 'duration' = 'plain'
  #bracketOpen = false
  #gotColon = false
  #gotDuration = false

  constructor(text: string) {
    this.#text = text
  }

  /** The next token; at the end of the text always 'end'. @throws PromqlParseError */
  next(): Token {
    this.#skip()
    this.#start = this.#at
    if (this.#mode === 'braces') return this.#inBraces()
    return this.#mode === 'duration' ? this.#inDuration() : this.#plain()
  }

  #skip(): void {
    for (;;) {
      while (this.#at < this.#text.length && spaces.includes(this.#char())) this.#at++
      if (this.#mode === 'duration' || this.#char() !== '#') return
      while (this.#at < this.#text.length && this.#char() !== '\n' && this.#char() !== '\r') this.#at++
    }
  }

  #plain(): Token {
    const char = this.#char()
    if (char === '') return this.#end()
    if (isDigit(char) || (char === '.' && isDigit(this.#char(1)))) return this.#numberOrDuration()
    if (char === '"' || char === "'") return this.#string(char)
    if (char === '`') return this.#rawString()
    if (isAlpha(char) || char === ':') return this.#bracketOpen ? this.#wordInBrackets(char) : this.#word()
    switch (char) {
      case '=':
        if (this.#char(1) === '=') return this.#take(2, 'operator')
        if (this.#char(1) === '~') this.#fail("unexpected character after '=': '~'")
        return this.#take(1, 'punctuation')
      case '!':
        if (this.#char(1) === '=') return this.#take(2, 'operator')
        return this.#fail(`unexpected character after '!': ${quoteRune(this.#code(1))}`)
      case '<':
      case '>':
        return this.#take(this.#char(1) === '=' || this.#char(1) === '/' ? 2 : 1, 'operator')
      case '{':
        this.#mode = 'braces'
        return this.#take(1, 'punctuation')
      case '[':
        if (this.#bracketOpen) this.#fail("unexpected left bracket '['")
        this.#bracketOpen = true
        this.#gotColon = false
        this.#gotDuration = false
        this.#mode = 'duration'
        return this.#take(1, 'punctuation')
      case ']':
        if (!this.#bracketOpen) this.#fail("unexpected right bracket ']'")
        this.#bracketOpen = false
        return this.#take(1, 'punctuation')
      default:
        return this.#common(char) ?? this.#fail(`unexpected character: ${quoteRune(this.#code())}`)
    }
  }

  /** Tokens that mean the same in and out of brackets; null if it is none. */
  #common(char: string): Token | null {
    if (char !== '' && '+-*/%^@'.includes(char)) return this.#take(1, 'operator')
    if (char === ',') return this.#take(1, 'punctuation')
    if (char === '(') {
      this.#parens++
      return this.#take(1, 'punctuation')
    }
    if (char === ')') {
      // Reported behind the parenthesis, as Prometheus does.
      if (--this.#parens < 0) this.#fail("unexpected right parenthesis ')'", 1)
      return this.#take(1, 'punctuation')
    }
    return null
  }

  #end(): Token {
    if (this.#parens !== 0) this.#fail('unclosed left parenthesis')
    if (this.#bracketOpen) this.#fail('unclosed left bracket')
    return { type: 'end', text: '', word: '', start: this.#at, end: this.#at }
  }

  #inBraces(): Token {
    const char = this.#char()
    if (char === '') return this.#fail('unexpected end of input inside braces')
    if (isAlpha(char)) {
      let length = 1
      while (isAlphaNumeric(this.#char(length))) length++
      return this.#take(length, 'identifier')
    }
    if (char === '"' || char === "'") return this.#string(char)
    if (char === '`') return this.#rawString()
    if (char === ',') return this.#take(1, 'punctuation')
    if (char === '}') {
      this.#mode = 'plain'
      return this.#take(1, 'punctuation')
    }
    if (char === '=') return this.#char(1) === '~' ? this.#take(2, 'operator') : this.#take(1, 'punctuation')
    if (char === '!') {
      if (this.#char(1) === '~' || this.#char(1) === '=') return this.#take(2, 'operator')
      return this.#fail(`unexpected character after '!' inside braces: ${quoteRune(this.#code(1))}`)
    }
    if (char === '{') return this.#fail("unexpected left brace '{'")
    return this.#fail(`unexpected character inside braces: ${quoteRune(this.#code())}`)
  }

  #inDuration(): Token {
    const char = this.#char()
    if (char === '') return this.#fail('unexpected end of input in duration expression')
    if (char === ']') {
      this.#bracketOpen = false
      this.#mode = 'plain'
      return this.#take(1, 'punctuation')
    }
    if (char === ':') {
      if (!this.#gotDuration) this.#fail('unexpected colon before duration in duration expression', 1)
      if (this.#gotColon) this.#fail('unexpected repeated colon in duration expression', 1)
      this.#gotColon = true
      return this.#take(1, 'punctuation')
    }
    if (isDigit(char) || (char === '.' && isDigit(this.#char(1)))) {
      this.#gotDuration = true
      this.#mode = 'plain'
      return this.#numberOrDuration()
    }
    const length = this.#durationKeywordLength()
    if (length > 0) {
      this.#gotDuration = true
      return this.#take(length, 'preprocessor')
    }
    const common = char === '@' ? null : this.#common(char)
    return common ?? this.#fail(`unexpected character in duration expression: ${quoteRune(this.#code())}`)
  }

  #wordInBrackets(char: string): Token {
    if (char === ':') {
      if (this.#gotColon) this.#fail("unexpected colon ':'")
      this.#gotColon = true
      return this.#take(1, 'punctuation')
    }
    const length = this.#durationKeywordLength()
    if (length > 0) return this.#take(length, 'preprocessor')
    return this.#fail(`unexpected character: ${quoteRune(this.#code())}, expected ':'`)
  }

  #durationKeywordLength(): number {
    let length = 0
    while (isAlpha(this.#char(length))) length++
    return durationKeywords.has(this.#text.slice(this.#at, this.#at + length).toLowerCase()) ? length : 0
  }

  #word(): Token {
    let length = 1
    while (isAlphaNumeric(this.#char(length)) || this.#char(length) === ':') length++
    const text = this.#text.slice(this.#at, this.#at + length)
    const type = keywords.get(text.toLowerCase())
    if (type === undefined) return this.#take(length, text.includes(':') ? 'metric-identifier' : 'identifier')
    // `fill` and its kin are young words: only before a parenthesis are they more than names.
    if (text.toLowerCase().startsWith('fill') && !/^[ \t\n\r]*\(/.test(this.#text.slice(this.#at + length)))
      return this.#take(length, 'identifier')
    return this.#take(length, type)
  }

  #numberOrDuration(): Token {
    const number = this.#numberLength()
    if (number > 0) return this.#take(number, 'number')
    const duration = this.#durationLength(-number)
    if (duration > 0) return this.#take(duration, 'duration')
    return this.#fail(`bad number or duration syntax: ${quoteGo(this.#text.slice(this.#at, this.#at - duration))}`)
  }

  /** Length of the number that starts here; or, negative, how far it looked like one. */
  #numberLength(): number {
    let at = 0
    let digits = '0123456789'
    if (this.#char() === '0' && 'xX'.includes(this.#char(1)) && this.#char(1) !== '') {
      at = this.#char(2) === '_' ? 3 : 2
      digits = '0123456789abcdefABCDEF'
    } else if (this.#char() === '0') at = 1
    const is = (set: string): boolean => this.#char(at) !== '' && set.includes(this.#char(at))
    if (is('.')) at++
    if (is(digits)) at++
    let dot = false
    let exponent = false
    while (is(`${digits}._eE`)) {
      if (is('.')) {
        at++
        if (dot) return -at
        dot = true
        if (is('_.')) return -(at + 1)
        if (digits.length > 10) return -at
      } else if (is('eE') && !is(digits)) {
        at++
        if (exponent) return -at
        exponent = true
        if (is('+-')) at++
        if (is('._eE')) return -(at + 1)
        if (this.#char(at) === '') return -at
      } else if (is('_')) {
        at++
        if (is('._eE')) return -(at + 1)
        if (this.#char(at) === '') return -at
      } else while (is(digits)) at++
    }
    return isAlphaNumeric(this.#char(at)) ? -at : at
  }

  /** Length of the duration whose first number is `at` long; or, negative, how far it looked like one. */
  #durationLength(at: number): number {
    const is = (set: string): boolean => this.#char(at) !== '' && set.includes(this.#char(at))
    if (!is('smhdwy')) return -at
    at++
    if (is('s')) at++
    while (isDigit(this.#char(at))) {
      while (isDigit(this.#char(at))) at++
      if (!is('smhdw')) return -at
      at++
      if (is('s')) at++
    }
    return isAlphaNumeric(this.#char(at)) ? -(at + 1) : at
  }

  #string(quote: string): Token {
    let length = 1
    for (;;) {
      const char = this.#char(length)
      if (char === '' || char === '\n') return this.#fail('unterminated quoted string')
      this.#checkRune(length)
      length++
      if (char === quote) return this.#take(length, 'string')
      if (char === '\\') length = this.#escape(length, quote)
    }
  }

  #rawString(): Token {
    let length = 1
    for (;;) {
      const char = this.#char(length)
      if (char === '') return this.#fail('unterminated raw string')
      this.#checkRune(length)
      length++
      if (char === '`') return this.#take(length, 'string')
    }
  }

  #checkRune(offset: number): void {
    const code = this.#code(offset)
    const isLone = code >= 0xd800 && code < 0xe000 && !isLowAfterHigh(this.#text, this.#at + offset)
    if (code === 0xfffd || isLone) this.#fail('invalid UTF-8 rune')
  }

  /** Checks the escape after a backslash; `at` is where its letter stands. @returns where the string goes on. */
  #escape(at: number, quote: string): number {
    const letter = this.#char(at)
    if (letter === '') return this.#fail('escape sequence not terminated')
    if ('abfnrtv\\'.includes(letter) || letter === quote) return at + 1
    const octal = letter >= '0' && letter <= '7'
    const count = octal ? 3 : letter === 'x' ? 2 : letter === 'u' ? 4 : letter === 'U' ? 8 : 0
    if (count === 0) return this.#fail(`unknown escape sequence ${unicodeName(this.#code(at))}`)
    const from = octal ? at : at + 1
    for (let i = from; i < from + count; i++) {
      const char = this.#char(i)
      if (char === '') this.#fail('escape sequence not terminated')
      if (!(octal ? /[0-7]/ : /[0-9a-fA-F]/).test(char)) this.#fail(`illegal character ${unicodeName(this.#code(i))} in escape sequence`)
    }
    const code = Number.parseInt(this.#text.slice(this.#at + from, this.#at + from + count), octal ? 8 : 16)
    if (code > (count < 4 ? 255 : 0x10ffff) || (code >= 0xd800 && code < 0xe000)) {
      this.#fail('escape sequence is an invalid Unicode code point')
    }
    return from + count
  }

  #char(offset = 0): string {
    return this.#text[this.#at + offset] ?? ''
  }

  #code(offset = 0): number {
    return this.#text.codePointAt(this.#at + offset) ?? END
  }

  #take(length: number, type: TokenType): Token {
    const start = this.#at
    this.#at += length
    const text = this.#text.slice(start, this.#at)
    return { type, text, word: type === 'identifier' || type === 'string' ? text : text.toLowerCase(), start, end: this.#at }
  }

  #fail(message: string, offset = 0): never {
    throw parseError(this.#text, this.#start + offset, this.#text.length, message)
  }
}

function isLowAfterHigh(text: string, index: number): boolean {
  const low = text.charCodeAt(index)
  const high = text.charCodeAt(index - 1)
  return low >= 0xdc00 && low < 0xe000 && high >= 0xd800 && high < 0xdc00
}
