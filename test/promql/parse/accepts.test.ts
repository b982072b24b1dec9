import { describe, expect, it } from '@jest/globals'
import { parseExpr, parseInWindow, parseMetricSelector } from '../../../src/promql/parse/parse.ts'
import { printExpr } from '../../../src/promql/print.ts'

/** What was written, and how the tree that it gives is printed. */
function check(title: string, cases: readonly (readonly [text: string, printed?: string])[]): void {
  describe(title, () => {
    it.each(cases.map(([text, printed = text]) => [text, printed]))('%s', (text, printed) => {
      const printedTree = printExpr(parseExpr(text, { stepMs: 15_000, rangeMs: 3_600_000 }))
      expect(printedTree).toBe(printed)
    })
  })
}

check('numbers', [
  ['1'],
  ['+5', '5'],
  ['-.5', '-0.5'],
  ['5.', '5'],
  ['1e3', '1000'],
  ['1E-7', '0.0000001'],
  ['1e22', '10000000000000000000000'],
  ['0x1F', '31'],
  ['0X_1f', '31'],
  ['017', '15'],
  ['08', '8'],
  ['1_000.2_5', '1000.25'],
  ['iNf', '+Inf'],
  ['-inf', '-Inf'],
  ['NAN', 'NaN'],
  ['-0', '-0'],
  ['9223372036854775808', '9223372036854776000'],
  ['5m'],
  ['-1h30m'],
  ['90s', '1m30s'],
  ['5m + 1', '5m + 1'],
])

check('strings', [
  ['"a\\"b"'],
  [`'a"b\\''`, `"a\\"b'"`],
  ['"\\u00e9\\U0001F600\\x41\\101\\t"', '"\u00e9\u{1f600}AA\\t"'],
  ['`raw \\n "x"`', '"raw \\\\n \\"x\\""'],
  ['"\\xc3\\xa9"', '"\u00e9"'],
])

check('selectors', [
  ['up'],
  ['job:up:sum'],
  ['{job="a"}'],
  ['up{}', 'up'],
  ['up{job="a",}', 'up{job="a"}'],
  ['up{b!="1",a=~"x|y",c!~".*z"}', 'up{a=~"x|y",b!="1",c!~".*z"}'],
  ['{"my.metric"}', '{__name__="my.metric"}'],
  ['{"my.metric", "a b"="c"}', '{"a b"="c",__name__="my.metric"}'],
  ['{__name__=~"a.+"}'],
  ['{a!=""}'],
  ['sum'],
  ['by{offset="x"}'],
  ['offset offset 5m', 'offset offset 5m'],
  ['and and and', 'and and and'],
  ['{on="1",bool="2",sum="3"}', '{bool="2",on="1",sum="3"}'],
  ['fill + fill_left'],
  ['step / range'],
  ['up # a comment\n{job="a"} # another', 'up{job="a"}'],
])

check('ranges, offsets, @, subqueries', [
  ['up[5m]'],
  ['up[300]', 'up[5m]'],
  ['up[ 1h30m ]', 'up[1h30m]'],
  ['up offset -1w', 'up offset -1w'],
  ['up offset 1.5', 'up offset 1s500ms'],
  ['up[5m] offset 1d @ 1.5', 'up[5m] @ 1.500 offset 1d'],
  ['up @ -5', 'up @ -5.000'],
  ['up @ start()', 'up @ start()'],
  ['up @ END ( ) offset 5m', 'up @ end() offset 5m'],
  ['rate(up[5m])[1h:1m]'],
  ['rate(up[5m] Anchored @ 1 offset 5m)', 'rate(up[5m] anchored @ 1.000 offset 5m)'],
  ['up @ 1 smoothed offset 5m', 'up @ 1.000 smoothed offset 5m'],
  ['anchored smoothed', 'anchored smoothed'],
  ['up[1h:]'],
  ['up[1h:30] @ end() offset 5m', 'up[1h:30s] @ end() offset 5m'],
  ['(up + up)[5m:] offset 1h', '(up + up)[5m:] offset 1h'],
  ['up offset 5m ^ 2', 'up offset 5m ^ 2'],
  ['-up offset 5m', '-up offset 5m'],
])

check('arithmetic on durations', [
  ['up[2m + 3m]', 'up[5m]'],
  ['up[2 * (1m + 30s)]', 'up[3m]'],
  ['up[-1m + 2m ^ 1]', 'up[1m]'],
  ['up[step() * 4]', 'up[1m]'],
  ['up[range()]', 'up[1h]'],
  ['up[max_of(step(), 1m):MIN_OF(step(), 1m)]', 'up[1m:15s]'],
  ['up offset (5m - 1m)', 'up offset 4m'],
  ['up offset -step()', 'up offset -15s'],
  // A literal after `offset` ends there; only parentheses go on.
  ['up offset 5m + 1', 'up offset 5m + 1'],
  ['up offset (5m) + 60', 'up offset 6m'],
  ['up offset -(5m) + 60', 'up offset -5m + 60'],
])

check('operators', [
  ['a + b * c ^ d ^ e', 'a + b * c ^ d ^ e'],
  ['a == bool b', 'a == bool b'],
  ['1 < bool 2', '1 < bool 2'],
  ['a atan2 b % c', 'a atan2 b % c'],
  ['a AND ON(x) b UNLESS c or d', 'a and on (x) b unless c or d'],
  ['a / ignoring(x, y,) group_left(z) b', 'a / ignoring (x, y) group_left (z) b'],
  ['a * on() group_right b', 'a * on () group_right () b'],
  ['a * on(by, "x y", sum) b', 'a * on (by, "x y", sum) b'],
  ['a - on(x) group_left (b) (c)', 'a - on (x) group_left (b) (c)'],
  ['a+-b', 'a + -b'],
  ['1 + on() a', '1 + a'],
])

check('aggregations', [
  ['sum(up)'],
  ['SUM BY (job) (up)', 'sum by (job) (up)'],
  ['sum(up) without (a, b,)', 'sum without (a, b) (up)'],
  ['sum by () (up)', 'sum(up)'],
  ['sum without () (up)', 'sum without () (up)'],
  ['topk(5, up)'],
  ['count_values("v", up) by ("a.b")', 'count_values by ("a.b") ("v", up)'],
  ['quantile(0.9, rate(up[5m]))'],
  ['group(up) by (on)', 'group by (on) (up)'],
])

check('calls', [
  ['time()'],
  ['round(up, 5)'],
  ['round(up)'],
  ['label_join(up, "a", ",", "b", "c")'],
  ['label_join(up, "a", ",")'],
  ['day_of_week()'],
  ['first_over_time(up[5m])'],
  ['clamp(up, 0, 1)'],
  ['histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))'],
  ['absent(up{job="a"})'],
])

describe('a tree', () => {
  const shape = (text: string): unknown => {
    const expr = parseExpr(text)
    return expr.kind === 'binary' ? [shape(printExpr(expr.left)), expr.op, shape(printExpr(expr.right))] : printExpr(expr)
  }

  it.each([
    ['a + b * c', ['a', '+', ['b', '*', 'c']]],
    ['a - b - c', [['a', '-', 'b'], '-', 'c']],
    ['a or b and c', ['a', 'or', ['b', 'and', 'c']]],
    ['a > b == c', [['a', '>', 'b'], '==', 'c']],
    ['-a * b', ['-a', '*', 'b']],
    ['2 ^ -a * b', [['2', '^', '-a'], '*', 'b']],
  ])('%s binds as %j', (text, expected) => expect(shape(text)).toEqual(expected))

  it('negates powers, not their base', () => {
    expect(parseExpr('-a ^ 2')).toMatchObject({ kind: 'unary', expr: { kind: 'binary', op: '^' } })
    expect(parseExpr('-1 ^ 2')).toMatchObject({ kind: 'unary', expr: { kind: 'binary', op: '^', left: { value: 1 } } })
    expect(parseExpr('-1 * 2')).toMatchObject({ kind: 'binary', op: '*', left: { kind: 'number', value: -1 } })
  })

  it('knows where each node stands', () => {
    expect(parseExpr(' sum (up{a="b"} offset 5m) + 1')).toMatchObject({
      span: { start: 1, end: 30 },
      left: { kind: 'aggregate', span: { start: 1, end: 26 }, expr: { span: { start: 6, end: 25 } } },
      right: { span: { start: 29, end: 30 } },
    })
  })

  it('keeps set operators many-to-many, and matching only between vectors', () => {
    expect(parseExpr('a and on(x) b')).toMatchObject({ matching: { cardinality: 'many-to-many', on: true, labels: ['x'] } })
    expect(parseExpr('a * ignoring(x) group_left(y) b')).toMatchObject({
      matching: { cardinality: 'many-to-one', on: false, include: ['y'] },
    })
    expect(parseExpr('a * 2')).toMatchObject({ matching: null })
    expect(parseExpr('a * b')).toMatchObject({ matching: { cardinality: 'one-to-one', on: false, labels: [], include: [] } })
  })

  it('says whether it depends on the window of its query', () => {
    const window = { stepMs: 1000, rangeMs: 2000 }
    expect(parseInWindow('a[5m + 1m]', window).usesWindow).toBe(false)
    expect(parseInWindow('a[5m + step()]', window)).toMatchObject({ usesWindow: true, expr: { rangeMs: 301_000 } })
    expect(parseInWindow('a offset -range()', window)).toMatchObject({ usesWindow: true, expr: { offsetMs: -2000 } })
  })

  it('of a selector alone is its matchers', () => {
    expect(parseMetricSelector('up{job=~"a|b"}')).toEqual([
      { name: 'job', type: '=~', value: 'a|b' },
      { name: '__name__', type: '=', value: 'up' },
    ])
    for (const text of ['up[5m]', 'up offset 5m', 'sum(up)', '1', '', '{}']) expect(() => parseMetricSelector(text)).toThrow(/parse error/)
  })
})
