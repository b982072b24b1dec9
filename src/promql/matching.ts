import { RE2JS } from 're2js'
import type { Matcher } from '../domain/matcher.ts'

type Predicate = (value: string) => boolean

const CACHED_MAX = 1000
const cache = new Map<string, Predicate>()

/**
 * The condition of a matcher as a function of a label's value ('' where the label is missing). Regular expressions are RE2, `.` matches
 * newlines too, and the whole value must match, as in Prometheus. Compiled ones are kept for the next call.
 * @throws Error with RE2's words if the regular expression doesn't compile
 */
export function compileMatcher(matcher: Matcher): Predicate {
  const wanted = matcher.value
  switch (matcher.type) {
    case '=':
      return (value) => value === wanted
    case '!=':
      return (value) => value !== wanted
    case '=~':
      return compiled(wanted)
    case '!~': {
      const matches = compiled(wanted)
      return (value) => !matches(value)
    }
  }
}

/** Whether a series without the label satisfies the matcher. */
export function matchesEmpty(matcher: Matcher): boolean {
  return compileMatcher(matcher)('')
}

function compiled(regex: string): Predicate {
  const known = cache.get(regex)
  if (known !== undefined) {
    // Moved to the end: the first of the map is the one used longest ago.
    cache.delete(regex)
    cache.set(regex, known)
    return known
  }
  const made = fastPredicate(regex) ?? slowPredicate(regex)
  cache.set(regex, made)
  if (cache.size > CACHED_MAX) cache.delete(cache.keys().next().value as string)
  return made
}

function slowPredicate(regex: string): Predicate {
  const re2 = compileRegex(regex)
  return (value) => re2.testExact(value)
}

/** @throws Error with RE2's words */
function compileRegex(regex: string): RE2JS {
  try {
    return RE2JS.compile(regex, RE2JS.DOTALL)
  } catch (error) {
    // The library shows flags as a prefix that nobody wrote.
    throw new Error(error instanceof Error ? error.message.replace('`(?s)', '`') : String(error), { cause: error })
  }
}

/** The values that a regular expression matches, if they are a plain list (`a|b|c`, also in one group); else null. */
export function literalAlternatives(regex: string): string[] | null {
  let body = regex
  const group = /^\((?:\?:)?(.*)\)$/s.exec(regex)
  if (group && !/[()]/.test((group[1] as string).replace(/\\[()]/g, ''))) body = group[1] as string
  const alternatives: string[] = []
  let current = ''
  for (let i = 0; i < body.length; i++) {
    const char = body[i] as string
    if (char === '|') {
      alternatives.push(current)
      current = ''
    } else if (char === '\\') {
      const next = body[++i]
      if (next === undefined || !isEscapable(next)) return null
      current += next
    } else if (isMeta(char)) return null
    else current += char
  }
  alternatives.push(current)
  return [...new Set(alternatives)]
}

const isMeta = (char: string): boolean => '\\.+*?()|[]{}^$'.includes(char)
/** Punctuation that stands for itself behind a backslash. */
const isEscapable = (char: string): boolean => /^[!-/:-@[-`{-~]$/.test(char)

/** Shapes that need no automaton: lists, and `.*` or `.+` before or after a plain text. */
function fastPredicate(regex: string): Predicate | null {
  const list = literalAlternatives(regex)
  if (list !== null) {
    if (list.length === 1) return (value) => value === list[0]
    const set = new Set(list)
    return (value) => set.has(value)
  }
  const shape = /^(\.[*+])?(.*?)(\.[*+])?$/s.exec(regex) as RegExpExecArray
  const text = shape[2] as string
  const literal = text.includes('|') ? null : literalAlternatives(text)
  if (literal === null || /^\(/.test(text)) return null
  return affixPredicate(shape[1], literal[0] as string, shape[3])
}

function affixPredicate(before: string | undefined, text: string, after: string | undefined): Predicate | null {
  // A dot is one code point, not one UTF-16 unit, yet "at least one" is the same of both.
  const min = (before === '.+' ? 1 : 0) + (after === '.+' ? 1 : 0)
  if (text === '') return before === undefined || after === undefined ? (value) => value.length >= min : null
  if (before !== undefined && after !== undefined) {
    const from = before === '.+' ? 1 : 0
    const rest = after === '.+' ? 1 : 0
    return (value) => {
      const at = value.indexOf(text, from)
      return at >= 0 && at + text.length + rest <= value.length
    }
  }
  if (after !== undefined) return (value) => value.length >= text.length + min && value.startsWith(text)
  return (value) => value.length >= text.length + min && value.endsWith(text)
}
