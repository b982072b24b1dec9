import { describe, expect, it } from '@jest/globals'
import { PromqlParseError } from '../../../src/promql/errors.ts'
import { parseExpr } from '../../../src/promql/parse/parse.ts'

const window = { stepMs: 0, rangeMs: 0 }

/** The text of the error, as Prometheus words it. */
function check(title: string, cases: readonly (readonly [text: string, message: string])[]): void {
  describe(title, () => {
    it.each(cases)('%j: %s', (text, message) => {
      let met: unknown
      try {
        parseExpr(text, window)
      } catch (error) {
        met = error
      }
      expect(met).toBeInstanceOf(PromqlParseError)
      expect((met as PromqlParseError).message).toBe(message)
    })
  })
}

check('characters and literals', [
  ['', 'unknown position: parse error: no expression found in input'],
  [' # nothing', '1:1: parse error: no expression found in input'],
  ['a $ b', "1:3: parse error: unexpected character: '$'"],
  ['\u00e9', "1:1: parse error: unexpected character: '\u00e9'"],
  ['"\u00e9" + "', '1:8: parse error: unterminated quoted string'],
  ['"a\nb"', '1:1: parse error: unterminated quoted string'],
  ['`a', '1:1: parse error: unterminated raw string'],
  ['"\\q"', "1:1: parse error: unknown escape sequence U+0071 'q'"],
  ['"\\xg1"', "1:1: parse error: illegal character U+0067 'g' in escape sequence"],
  ['"\\400"', '1:1: parse error: escape sequence is an invalid Unicode code point'],
  ['"\\ud800"', '1:1: parse error: escape sequence is an invalid Unicode code point'],
  ['a =~ "b"', "1:3: parse error: unexpected character after '=': '~'"],
  ['a ! b', "1:3: parse error: unexpected character after '!': ' '"],
  ['1x', '1:1: parse error: bad number or duration syntax: "1"'],
  ['1.2.3', '1:1: parse error: bad number or duration syntax: "1.2."'],
  ['1e', '1:1: parse error: bad number or duration syntax: "1e"'],
  ['1e999', '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e999": value out of range'],
  ['up[5mm]', '1:4: parse error: bad number or duration syntax: "5mm"'],
  ['up[5m1h]', '1:4: parse error: not a valid duration string: "5m1h"'],
  ['up[1000y]', '1:4: parse error: duration out of range'],
])

check('brackets', [
  ['(a', '1:3: parse error: unclosed left parenthesis'],
  ['a)', "1:3: parse error: unexpected right parenthesis ')'"],
  ['a[5m', '1:5: parse error: unclosed left bracket'],
  ['a]', "1:2: parse error: unexpected right bracket ']'"],
  ['a{', '1:3: parse error: unexpected end of input inside braces'],
  ['{{}}', "1:2: parse error: unexpected left brace '{'"],
  ['a\n  + (b', '2:7: parse error: unclosed left parenthesis'],
])

check('the shape of expressions', [
  ['a b', '1:3: parse error: unexpected identifier "b"'],
  ['a +', '1:4: parse error: unexpected end of input'],
  ['* a', '1:1: parse error: unexpected <op:*>'],
  ['a and or b', '1:10: parse error: unexpected identifier "b"'],
  ['sum(a b)', '1:7: parse error: unexpected identifier "b" in aggregation'],
  ['sum by a (b)', '1:8: parse error: unexpected identifier "a" in grouping opts, expected "("'],
  ['sum by (1) (b)', '1:9: parse error: unexpected number "1" in grouping opts, expected label'],
  ['sum by (a b) (c)', '1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"'],
  ['rate(a[5m],)', '1:11: parse error: trailing commas not allowed in function call args'],
  ['a{b}', '1:4: parse error: unexpected "}" in label matching, expected label matching operator'],
  ['a{b=c}', '1:5: parse error: unexpected identifier "c" in label matching, expected string'],
  ['a{1="c"}', "1:3: parse error: unexpected character inside braces: '1'"],
  ['a{b="c" d="e"}', '1:9: parse error: unexpected identifier "d" in label matching, expected "," or "}"'],
  ['a{,}', '1:3: parse error: unexpected "," in label matching, expected identifier or "}"'],
  ['a[]', '1:3: parse error: unexpected "]" in subquery or range selector, expected number, duration, step(), or range()'],
  ['a[5m 1]', '1:6: parse error: unexpected number "1" in subquery or range, expected ":" or "]"'],
  ['a[5m:1m 1]', '1:9: parse error: unexpected number "1" in subquery selector, expected "]"'],
  ['a offset b', '1:10: parse error: unexpected identifier "b" in offset, expected number, duration, step(), or range()'],
  ['a @ b', '1:5: parse error: unexpected identifier "b" in @, expected timestamp'],
  ['a group_left b', '1:3: parse error: unexpected <group_left>'],
  ['a + on b', '1:8: parse error: unexpected identifier "b" in grouping opts, expected "("'],
])

check('modifiers', [
  ['a[0]', '1:3: parse error: duration must be greater than 0'],
  ['a[-5m]', '1:3: parse error: duration must be greater than 0'],
  ['a[1m - 2m]', '1:3: parse error: duration must be greater than 0'],
  ['a[step()]', '1:3: parse error: duration must be greater than 0'],
  ['a[1m / 0]', '1:6: parse error: division by zero'],
  ['a[1m % 0]', '1:6: parse error: modulo by zero'],
  ['a[1h:0]', '1:6: parse error: duration must be greater than 0'],
  ['1[5m]', '1:2: parse error: ranges only allowed for vector selectors'],
  ['a offset 5m [5m]', '1:13: parse error: no offset modifiers allowed before range'],
  ['a @ 1 [5m]', '1:7: parse error: no @ modifiers allowed before range'],
  ['a offset 5m offset 1m', '1:1: parse error: offset may not be set multiple times'],
  ['a @ 1 @ 2', '1:1: parse error: @ <timestamp> may not be set multiple times'],
  ['a @ Inf', '1:1: parse error: timestamp out of bounds for @ modifier: +Inf'],
  [
    '(a) offset 5m',
    '1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery',
  ],
  ['a anchored smoothed', '1:1: parse error: anchored and smoothed modifiers cannot be used together'],
  ['a[5m] smoothed anchored', '1:1: parse error: anchored and smoothed modifiers cannot be used together'],
  ['a[5m:] anchored', '1:1: parse error: anchored modifier is not supported for subqueries'],
  ['(a) smoothed', '1:1: parse error: smoothed modifier not implemented'],
  ['1 @ 5', '1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery'],
])

check('meaning', [
  ['{}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
  ['{a=""}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
  ['{a=~".*", b!="x", c=~"|y"}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
  ['a{__name__="b"}', '1:1: parse error: metric name must not be set twice: "a" or "b"'],
  ['a{b=~"(c"}', '1:3: parse error: error parsing regexp: missing closing ): `(c`'],
  ['a{b=~"c{2000}"}', '1:3: parse error: error parsing regexp: invalid repeat count: `{2000}`'],
  ['a{b!~"(?=c)"}', '1:3: parse error: error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  ['rate(a)', '1:6: parse error: expected type range vector in call to function "rate", got instant vector'],
  ['abs(1)', '1:5: parse error: expected type instant vector in call to function "abs", got scalar'],
  ['vector(a)', '1:8: parse error: expected type scalar in call to function "vector", got instant vector'],
  ['abs()', '1:1: parse error: expected 1 argument(s) in call to "abs", got 0'],
  ['round(a, 1, 2)', '1:1: parse error: expected at most 2 argument(s) in call to "round", got 3'],
  ['label_join(a, "b")', '1:1: parse error: expected at least 3 argument(s) in call to "label_join", got 2'],
  ['nope(a)', '1:1: parse error: unknown function with name "nope"'],
  ['RATE(a[5m])', '1:1: parse error: unknown function with name "RATE"'],
  ['sum()', '1:1: parse error: no arguments for aggregate expression provided'],
  ['sum(a, b)', '1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2'],
  ['topk(a)', '1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1'],
  ['sum(1)', '1:5: parse error: expected type instant vector in aggregation expression, got scalar'],
  ['topk("1", a)', '1:6: parse error: expected type scalar in aggregation parameter, got string'],
  ['count_values(1, a)', '1:14: parse error: expected type string in aggregation parameter, got scalar'],
  ['1 == 2', '1:3: parse error: comparisons between scalars must use BOOL modifier'],
  ['a + bool b', '1:3: parse error: bool modifier can only be used on comparison operators'],
  ['a + "b"', '1:5: parse error: binary expression must contain only scalar and instant vector types'],
  ['a[5m] + 1', '1:1: parse error: binary expression must contain only scalar and instant vector types'],
  ['a + b[5m:1m]', '1:5: parse error: binary expression must contain only scalar and instant vector types'],
  ['a and 1', '1:1: parse error: set operator "and" not allowed in binary scalar expression'],
  ['a and on(x) group_left b', '1:1: parse error: no grouping allowed for "and" operation'],
  ['a + on(x) 1', '1:1: parse error: vector matching only allowed between instant vectors'],
  ['a + on(x) group_left(x) b', '1:3: parse error: label "x" must not occur in ON and GROUP clause at once'],
  ['-"a"', '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "string"'],
  ['1[5m:]', '1:1: parse error: subquery is only allowed on instant vector, got scalar instead'],
  // Errors of syntax go first, wherever they stand.
  ['a{__name__="b"} c', '1:17: parse error: unexpected identifier "c"'],
])

check('what Prometheus accepts behind feature flags only, or with native histograms', [
  ['sort_by_label(a, "b")', '1:1: parse error: function "sort_by_label" is not enabled'],
  ['double_exponential_smoothing(a[5m], 0.5, 0.5)', '1:1: parse error: function "double_exponential_smoothing" is not enabled'],
  ['info(a)', '1:1: parse error: function "info" is not enabled'],
  ['max_of(1, 2)', '1:1: parse error: function "max_of" is not enabled'],
  ['limitk(1, a)', '1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions'],
  ['a + fill(0) b', '1:1: parse error: binop fill modifiers are experimental and not enabled'],
  ['a + on(x) fill_left(-1) fill_right(5m) b', '1:1: parse error: binop fill modifiers are experimental and not enabled'],
  ['a </ 5', '1:3: parse error: operator "</" is for native histograms, which are not supported'],
])

describe('hostile texts', () => {
  const times = (text: string, count: number): string => text.repeat(count)
  const deep = /nested more than 1000 deep/

  it.each([
    ['parentheses', `${times('(', 30_000)}a`, deep],
    ['signs', `${times('- ', 30_000)}a`, deep],
    ['a chain of additions', `a${times('+a', 30_000)}`, deep],
    ['a chain of powers', `a${times('^a', 30_000)}`, deep],
    ['aggregations', `${times('sum(', 15_000)}a`, deep],
    ['subqueries', `a${times('[1m:]', 10_000)}`, deep],
    ['durations', `a[${times('(', 30_000)}1m`, deep],
    ['a long text', `a{b="${times('x', 70_000)}"}`, /characters long; at most 65536 are allowed/],
    ['a regular expression of groups', `{a=~"${times('(', 30_000)}"}`, /error parsing regexp/],
    ['a regular expression of repetitions', `{a=~"${times('(a{50}){50}', 3000)}"}`, /error parsing regexp/],
  ])('%s are refused', (_, text, message) => {
    expect(() => parseExpr(text)).toThrow(message)
    expect(() => parseExpr(text)).toThrow(PromqlParseError)
  })

  it('up to the bound are accepted', () => {
    expect(parseExpr(`${times('(', 990)}a${times(')', 990)}`).kind).toBe('paren')
    expect(parseExpr(`a${times(' or a', 990)}`).kind).toBe('binary')
  })
})
