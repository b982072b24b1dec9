import type { Matcher } from '../../domain/matcher.ts'
import type { SeriesIndex } from './series-index.ts'

/** How regular expressions are read; the language's own rules come from outside. */
export interface MatcherLanguage {
  /** Whether a value matches, as a function; anchored, RE2. */
  compile(matcher: Matcher): (value: string) => boolean
  /** The values that a regular expression stands for if it is a list of literals, else null. */
  literals(regex: string): readonly string[] | null
}

const LITERALS_MAX = 10_000

/**
 * Finds the series of a list of matchers:
 * 1. A matcher that '' does not fulfil needs a label: it gives the pairs (name, value) that fulfil it. Others are conditions.
 * 2. The series come from the postings of the one with the fewest.
 * 3. Every other matcher is checked on those series' own labels, its verdict remembered by pair.
 * Regular expressions are evaluated once per label value and remembered, from query to query.
 */
export class SeriesMatcher {
  readonly #index: SeriesIndex
  readonly #language: MatcherLanguage
  /** Pairs that fulfil a regular expression, as far as they have been looked at. */
  readonly #regexPairs = new Map<string, { newest: number; pairs: number[] }>()

  constructor(index: SeriesIndex, language: MatcherLanguage) {
    this.#index = index
    this.#language = language
  }

  /** Ids of the series that fulfil all matchers, ascending. */
  match(matchers: readonly Matcher[], seriesCount: number): Uint32Array {
    let base: { matcher: Matcher; pairs: readonly number[]; count: number } | null = null
    const conditions: Matcher[] = []
    for (const matcher of matchers) {
      if (matcher.type === '!=' || matcher.type === '!~' || this.#language.compile(matcher)('')) {
        conditions.push(matcher)
        continue
      }
      const pairs = this.#pairs(matcher)
      let count = 0
      for (const pair of pairs) count += this.#index.postingsCount(pair)
      if (count === 0) return new Uint32Array(0)
      if (base === null || count < base.count) {
        if (base !== null) conditions.push(base.matcher)
        base = { matcher, pairs, count }
      } else conditions.push(matcher)
    }
    let series = base === null ? allSeries(seriesCount) : this.#collect(base.pairs, base.count, seriesCount)
    for (const condition of conditions) series = this.#filter(series, condition)
    return series
  }

  #collect(pairs: readonly number[], count: number, seriesCount: number): Uint32Array {
    const series = new Uint32Array(count)
    let end = 0
    for (const pair of pairs) end = this.#index.readPostings(pair, seriesCount, series, end)
    const found = series.subarray(0, end)
    // A series has one value of a label, so lists of different values share nothing; they only stand in each other's order.
    return pairs.length > 1 ? found.sort() : found
  }

  #filter(series: Uint32Array, matcher: Matcher): Uint32Array {
    const index = this.#index
    const name = index.symbols.find(matcher.name)
    const matches = this.#language.compile(matcher)
    const absentMatches = matches('')
    const verdicts = new Map<number, boolean>()
    let end = 0
    for (let i = 0; i < series.length; i++) {
      const pair = name === -1 ? -1 : index.pairOf(series[i], name)
      let verdict = absentMatches
      if (pair !== -1) {
        const known = verdicts.get(pair)
        if (known === undefined) {
          verdict = matches(index.symbols.string(index.pairValue(pair)))
          verdicts.set(pair, verdict)
        } else verdict = known
      }
      if (verdict) series[end++] = series[i]
    }
    return series.subarray(0, end)
  }

  /** The pairs that fulfil a matcher which needs a label. */
  #pairs(matcher: Matcher): readonly number[] {
    const index = this.#index
    const name = index.symbols.find(matcher.name)
    if (name === -1) return []
    if (matcher.type === '=') return this.#literalPairs(name, [matcher.value])
    const literals = this.#language.literals(matcher.value)
    if (literals !== null && literals.length <= LITERALS_MAX) return this.#literalPairs(name, literals)
    const key = `${matcher.name}\u0000${matcher.value}`
    let known = this.#regexPairs.get(key)
    if (known === undefined) {
      if (this.#regexPairs.size >= 1000) this.#regexPairs.clear()
      known = { newest: -1, pairs: [] }
      this.#regexPairs.set(key, known)
    }
    const matches = this.#language.compile(matcher)
    const newest = index.newestPair(name)
    for (let pair = newest; pair !== known.newest; pair = index.previousPair(pair)) {
      if (matches(index.symbols.string(index.pairValue(pair)))) known.pairs.push(pair)
    }
    known.newest = newest
    return known.pairs
  }

  #literalPairs(name: number, values: readonly string[]): number[] {
    const pairs: number[] = []
    for (const value of new Set(values)) {
      const symbol = this.#index.symbols.find(value)
      const pair = symbol === -1 ? -1 : this.#index.findPair(name, symbol)
      if (pair !== -1) pairs.push(pair)
    }
    return pairs
  }
}

function allSeries(count: number): Uint32Array {
  const series = new Uint32Array(count)
  for (let i = 0; i < count; i++) series[i] = i
  return series
}
