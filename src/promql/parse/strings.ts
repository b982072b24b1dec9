const simpleEscapes: ReadonlyMap<string, number> = new Map([
  ['a', 7],
  ['b', 8],
  ['f', 12],
  ['n', 10],
  ['r', 13],
  ['t', 9],
  ['v', 11],
  ['\\', 92],
  ["'", 39],
  ['"', 34],
])

const utf8 = new TextEncoder()

/**
 * The value of a string literal with its quotes. The lexer has checked its escapes. Bytes written as \xFF or \377 that are no UTF-8
 * become U+FFFD: a label's value can't hold them.
 */
export function unquote(literal: string): string {
  const body = literal.slice(1, -1)
  if (literal[0] === '`' || !body.includes('\\')) return body
  const bytes: number[] = []
  for (let i = 0; i < body.length; ) {
    if (body[i] !== '\\') {
      let end = body.indexOf('\\', i)
      if (end < 0) end = body.length
      for (const byte of utf8.encode(body.slice(i, end))) bytes.push(byte)
      i = end
      continue
    }
    i = appendEscape(body, i + 1, bytes)
  }
  return new TextDecoder().decode(Uint8Array.from(bytes))
}

/** @returns the index after the escape whose letter stands at `at`. */
function appendEscape(body: string, at: number, bytes: number[]): number {
  const letter = body[at] as string
  const simple = simpleEscapes.get(letter)
  if (simple !== undefined) {
    bytes.push(simple)
    return at + 1
  }
  if (letter === 'x') {
    bytes.push(Number.parseInt(body.slice(at + 1, at + 3), 16))
    return at + 3
  }
  if (letter === 'u' || letter === 'U') {
    const end = at + (letter === 'u' ? 5 : 9)
    const char = String.fromCodePoint(Number.parseInt(body.slice(at + 1, end), 16))
    for (const byte of utf8.encode(char)) bytes.push(byte)
    return end
  }
  bytes.push(Number.parseInt(body.slice(at, at + 3), 8))
  return at + 3
}

const named: ReadonlyMap<number, string> = new Map([
  [7, '\\a'],
  [8, '\\b'],
  [12, '\\f'],
  [10, '\\n'],
  [13, '\\r'],
  [9, '\\t'],
  [11, '\\v'],
  [92, '\\\\'],
])
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/** A double-quoted literal, escaped as Go's %q does. */
export function quoteGo(text: string): string {
  // Printable, and yet no lexer takes it as it is: it stands for bytes that are no UTF-8.
  return `"${escapeGo(text, 34).replaceAll('\ufffd', '\\ufffd')}"`
}

/** One code point (-1: none) as Go's %q shows a rune. */
export function quoteRune(code: number): string {
  return `'${escapeGo(code < 0 ? '\ufffd' : String.fromCodePoint(code), 39)}'`
}

function escapeGo(text: string, quote: number): string {
  let out = ''
  for (const char of text) {
    const code = char.codePointAt(0) as number
    if (code === quote) out += `\\${char}`
    else if (named.has(code)) out += named.get(code)
    else if (printable.test(char)) out += char
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`
    else if (code < 0x10000) out += `\\u${code.toString(16).padStart(4, '0')}`
    else out += `\\U${code.toString(16).padStart(8, '0')}`
  }
  return out
}

/** Go's %#U: `U+0041 'A'`. */
export function unicodeName(code: number): string {
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`
  const char = String.fromCodePoint(code)
  return printable.test(char) ? `${hex} '${char}'` : hex
}
