import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { MatchType } from '../../../src/domain/matcher.ts'
import { compileMatcher, literalAlternatives, matchesEmpty } from '../../../src/promql/matching.ts'

const matches = (type: MatchType, pattern: string, value: string): boolean => compileMatcher({ name: 'a', type, value: pattern })(value)

describe('a matcher', () => {
  it.each<[MatchType, string, string[], string[]]>([
    ['=', 'a', ['a'], ['', 'A', 'ab']],
    ['!=', 'a', ['', 'ab'], ['a']],
    ['=~', 'a|b', ['a', 'b'], ['ab', '', 'a|b']],
    ['!~', 'a|b', ['ab', ''], ['a', 'b']],
    ['=~', 'a.*', ['a', 'abc', 'a\nb'], ['ba', '']],
    ['=~', 'a.+', ['ab', 'a\n'], ['a', 'xab']],
    ['=~', '.*z', ['z', 'yz', '\nz'], ['zy']],
    ['=~', '.+z', ['yz'], ['z', 'zy']],
    ['=~', '.*b.*', ['b', 'abc', '\nb\n'], ['', 'ac']],
    ['=~', '.+b.+', ['abc', 'bbb'], ['b', 'ab', 'bc', 'bb']],
    ['=~', '.*', ['', 'x', '\n'], []],
    ['=~', '.+', ['x', '\n', '\u{1f600}'], ['']],
    ['=~', '', [''], ['a']],
    ['=~', 'a|', ['a', ''], ['b']],
    ['=~', 'a|ab', ['a', 'ab'], ['abb']],
    ['=~', '(a|b)', ['a', 'b'], ['(a|b)']],
    ['=~', '(?:a|b)c?', ['a', 'bc'], ['ab']],
    ['=~', '(?i)abc', ['ABC', 'abc'], ['ab']],
    ['=~', 'a\\.b\\|c', ['a.b|c'], ['axb|c', 'a.b']],
    ['=~', 'a\\.*', ['a', 'a...'], ['ab']],
    ['=~', '\\d+', ['12'], ['', '1a']],
    ['=~', '^a$', ['a'], ['ab']],
    ['=~', '.', ['\u{1f600}', '\n'], ['', 'ab']],
    ['=~', 'a.*|b', ['axx', 'b'], ['bx', 'x']],
    ['=~', '10\\.0\\.0\\.1:9100|10\\.0\\.0\\.2:9100', ['10.0.0.1:9100'], ['10x0.0.1:9100']],
  ])('%s %j takes %j and leaves %j', (type, pattern, taken, left) => {
    expect(taken.filter((value) => !matches(type, pattern, value))).toEqual([])
    expect(left.filter((value) => matches(type, pattern, value))).toEqual([])
  })

  it('matches alike by the fast ways and by the automaton', () => {
    const piece = fc.constantFrom('a', 'b', 'ab', '.*', '.+', '|', '\\.', '\\|', '.', '(a|b)', '?')
    const pattern = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
    const value = fc.array(fc.constantFrom('a', 'b', '.', '|', '\n', '\u{1f600}'), { maxLength: 6 }).map((chars) => chars.join(''))
    fc.assert(
      fc.property(pattern, value, (pattern, value) => {
        let expected: boolean
        try {
          // The group keeps every fast way from seeing a known shape.
          expected = matches('=~', `(?:(?:${pattern}))`, value)
        } catch {
          expect(() => matches('=~', pattern, value)).toThrow()
          return
        }
        expect(matches('=~', pattern, value)).toBe(expected)
      }),
      { numRuns: 3000 },
    )
  })

  it('takes linear time on what makes backtracking ones hang', () => {
    expect(matches('=~', '(a*)*(a*)*b', 'a'.repeat(20_000))).toBe(false)
  })

  it('keeps working when more expressions were used than are kept', () => {
    for (let i = 0; i < 2500; i++) expect(matches('=~', `x{${1 + (i % 900)}}y?${i}`, 'x')).toBe(false)
    expect(matches('=~', 'x{1}y?0', 'x0')).toBe(true)
  })

  it('knows whether it takes series without the label', () => {
    expect(matchesEmpty({ name: 'a', type: '=~', value: '.*' })).toBe(true)
    expect(matchesEmpty({ name: 'a', type: '!=', value: 'x' })).toBe(true)
    expect(matchesEmpty({ name: 'a', type: '=~', value: '.+' })).toBe(false)
    expect(matchesEmpty({ name: 'a', type: '!~', value: '|x' })).toBe(false)
  })
})

describe('the alternatives of a regular expression', () => {
  it.each<[string, string[] | null]>([
    ['a', ['a']],
    ['a|b|a', ['a', 'b']],
    ['(a|b)', ['a', 'b']],
    ['(?:a|b)', ['a', 'b']],
    ['a|', ['a', '']],
    ['', ['']],
    ['a\\.b|c\\-d', ['a.b', 'c-d']],
    ['\u00e9|\u{1f600}', ['\u00e9', '\u{1f600}']],
    ['a.b', null],
    ['a\\d', null],
    ['(a)|(b)', null],
    ['(?i:a)', null],
    ['(a', null],
    ['a\\', null],
    ['(?:a|b)+', null],
    ['^a', null],
  ])('%j are %j', (regex, expected) => expect(literalAlternatives(regex)).toEqual(expected))
})
