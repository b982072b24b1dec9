import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import type { AggregateOp, AtModifier, BinaryOp, Expr } from '../../../src/promql/ast.ts'
import { parseExpr } from '../../../src/promql/parse/parse.ts'
import { formatDecimal, printExpr } from '../../../src/promql/print.ts'

// Trees that the parser can give: operands in parentheses, so that no precedence moves them.
const span = { start: 0, end: 0 }
const quotable = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.constantFrom('a', 'by', 'without', 'inf', '"\\\n\u0000', '\u2028\u{1f600}', '\ufffd'),
)
const labelName = quotable.filter((name) => name !== '' && name.isWellFormed() && name !== '__name__')
const durationMs = fc.oneof(fc.integer({ min: 1, max: 10_000_000 }), fc.constantFrom(1000, 300_000, 86_400_000, 604_800_000))
const at: fc.Arbitrary<AtModifier> = fc.oneof(
  fc.constant(null),
  fc.constantFrom({ kind: 'start' } as const, { kind: 'end' } as const),
  fc.integer({ min: -1e12, max: 1e13 }).map((timeMs) => ({ kind: 'time', timeMs }) as const),
)
const offsetMs = fc.oneof(
  fc.constant(0),
  durationMs,
  durationMs.map((ms) => -ms),
)
const matcher = fc.record({
  name: labelName,
  type: fc.constantFrom('=', '!=', '=~', '!~'),
  value: fc.constantFrom('', 'x', 'a|b', '"q"', '\u00e9'),
})
const metric = fc
  .constantFrom('up', 'job:up:sum', 'my.metric', 'by', 'nan', 'on', '')
  .map((value) => ({ name: '__name__', type: '=', value }) as const)
const selector = fc
  .record({ matchers: fc.array(matcher, { maxLength: 3 }), metric, offsetMs, at })
  .map(({ matchers, metric, ...rest }): Expr => {
    const solid = metric.value === '' ? ({ name: '__name__', type: '=~', value: '.+' } as const) : metric
    return { kind: 'selector', span, matchers: [...(matchers as never[]), solid], ...rest }
  })
const scalar: fc.Arbitrary<Expr> = fc.double({ noNaN: true }).map((value) => ({ kind: 'number', span, value }))
const inParens = (expr: Expr): Expr => ({ kind: 'paren', span, expr })

const vector: fc.Arbitrary<Expr> = fc.letrec<{ vector: Expr }>((tie) => ({
  vector: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    selector,
    fc
      .record({
        left: tie('vector'),
        right: tie('vector'),
        op: fc.constantFrom<BinaryOp>('+', '^', 'atan2', '==', '<='),
        on: fc.boolean(),
        labels: fc.uniqueArray(labelName, { maxLength: 2 }),
        cardinality: fc.constantFrom('one-to-one', 'many-to-one', 'one-to-many'),
      })
      .map(({ left, right, op, on, labels, cardinality }): Expr => {
        const matching = { cardinality, on, labels, include: cardinality === 'one-to-one' ? [] : ['zone'] }
        return { kind: 'binary', span, op, left: inParens(left), right: inParens(right), returnBool: op === '==', matching }
      }),
    fc
      .record({ left: tie('vector'), right: scalar })
      .map(({ left, right }): Expr => ({ kind: 'binary', span, op: '*', left: inParens(left), right, returnBool: false, matching: null })),
    fc
      .record({
        expr: tie('vector'),
        op: fc.constantFrom<AggregateOp>('sum', 'group'),
        grouping: fc.array(labelName, { maxLength: 2 }),
        without: fc.boolean(),
      })
      .map((node): Expr => ({ kind: 'aggregate', span, param: null, ...node })),
    fc
      .record({ expr: tie('vector'), param: scalar })
      .map((node): Expr => ({ kind: 'aggregate', span, op: 'topk', grouping: [], without: false, ...node })),
    fc.record({ expr: tie('vector'), rangeMs: durationMs, stepMs: fc.option(durationMs), offsetMs, at }).map(
      ({ expr, ...rest }): Expr => ({
        kind: 'call',
        span,
        name: 'max_over_time',
        args: [{ kind: 'subquery', span, expr: inParens(expr), ...rest }],
      }),
    ),
    fc.record({ selector, rangeMs: durationMs }).map(
      ({ selector, rangeMs }): Expr => ({
        kind: 'call',
        span,
        name: 'rate',
        args: [{ kind: 'matrix', span, selector: selector as never, rangeMs }],
      }),
    ),
    fc.record({ expr: tie('vector'), text: quotable }).map(({ expr, text }): Expr => {
      const string: Expr = { kind: 'string', span, value: text.toWellFormed() }
      return { kind: 'call', span, name: 'label_join', args: [expr, string, string, string] }
    }),
    tie('vector').map((expr): Expr => ({ kind: 'unary', span, op: '-', expr: inParens(expr) })),
  ),
})).vector

/** The tree without places, and with each selector's matchers in one order. */
function essence(expr: Expr): unknown {
  return JSON.parse(
    JSON.stringify(expr, (key, value) => {
      if (key === 'span') return undefined
      if (key === 'matchers') return [...value].map((one) => JSON.stringify(one)).sort()
      return typeof value === 'number' ? formatDecimal(value) : value
    }),
  )
}

describe('printing', () => {
  it('and parsing gives the same tree', () => {
    fc.assert(
      fc.property(vector, (expr) => {
        const text = printExpr(expr)
        expect(essence(parseExpr(text))).toEqual(essence(expr))
        expect(printExpr(parseExpr(text))).toBe(text)
      }),
      { numRuns: 500 },
    )
  })

  it('quotes names that the grammar could not read otherwise', () => {
    expect(printExpr(parseExpr('{"on", "x y"="1"} + on("without", "a-b") {"nan"}'))).toBe(
      '{"x y"="1",__name__="on"} + on ("without", "a-b") {__name__="nan"}',
    )
  })
})
