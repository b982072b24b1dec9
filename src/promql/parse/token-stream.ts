import { parseError } from './fail.ts'
import { Lexer } from './lexer.ts'
import { describe, type Token, type TokenType } from './tokens.ts'

/** Where in the grammar an unexpected token was met, and what would have been right: both may be left out. */
export interface Place {
  readonly where: string
  readonly expected?: string
}

/** The tokens of a query, one ahead, and the errors about them. */
export class TokenStream {
  readonly text: string
  readonly #lexer: Lexer
  #token: Token | null = null
  /** End of the token that was taken last. */
  lastEnd = 0
  /** The enclosing constructs that have their own words for a syntax error; the innermost speaks. */
  readonly #places: Place[] = []

  constructor(text: string) {
    this.text = text
    this.#lexer = new Lexer(text)
  }

  /** The next token, which stays. Read only when needed: reading it may be what fails. */
  peek(): Token {
    this.#token ??= this.#lexer.next()
    return this.#token
  }

  take(): Token {
    const token = this.peek()
    this.#token = null
    this.lastEnd = token.end
    return token
  }

  /** Whether the next token is this keyword, operator or punctuation. */
  is(word: string): boolean {
    const token = this.peek()
    return token.word === word && token.type !== 'identifier' && token.type !== 'string' && token.type !== 'end'
  }

  isType(...types: TokenType[]): boolean {
    return types.includes(this.peek().type)
  }

  /** Takes the next token if it is this word. */
  accept(word: string): Token | null {
    return this.is(word) ? this.take() : null
  }

  expect(word: string): Token {
    return this.is(word) ? this.take() : this.unexpected()
  }

  /** Parses within a construct whose words are used for syntax errors in it. */
  within<T>(place: Place, parse: () => T): T {
    this.#places.push(place)
    // Not popped when it throws: the first error ends the parse.
    const result = parse()
    this.#places.pop()
    return result
  }

  /** @throws PromqlParseError about the next token */
  unexpected(place: Place | undefined = this.#places.at(-1)): never {
    const token = this.peek()
    const where = place ? ` in ${place.where}` : ''
    const expected = place?.expected ? `, expected ${place.expected}` : ''
    throw parseError(this.text, token.start, token.end, `unexpected ${describe(token)}${where}${expected}`)
  }

  /** @throws PromqlParseError */
  fail(at: { readonly start: number; readonly end: number }, message: string): never {
    throw parseError(this.text, at.start, at.end, message)
  }
}
