import { describe, expect, it } from '@jest/globals'
import { parseExpr } from '../../src/promql/parse/parse.ts'
import { prettyExpr } from '../../src/promql/pretty.ts'

/** An expression, and how Prometheus' format_query lays it out. */
const cases: readonly (readonly [expr: string, lines: readonly string[]])[] = [
  ['sum  by(a)( rate(x{b="c"}[5m]) )', ['sum by (a) (rate(x{b="c"}[5m]))']],
  [
    'sum by (instance, path, method) (rate(demo_api_request_duration_seconds_bucket{instance=~"demo.*", path!="/x"}[5m])) / on (instance) group_left () sum by (instance) (rate(demo_cpu_usage_seconds_total[5m] offset 1m)) > bool 3 or vector(1)',
    [
      '      sum by (instance, path, method) (',
      '        rate(demo_api_request_duration_seconds_bucket{instance=~"demo.*",path!="/x"}[5m])',
      '      )',
      '    / on (instance) group_left ()',
      '      sum by (instance) (rate(demo_cpu_usage_seconds_total[5m] offset 1m))',
      '  > bool',
      '    3',
      'or',
      '  vector(1)',
    ],
  ],
]

describe('an expression', () => {
  it.each(cases)('%s', (text, lines) => {
    const expr = parseExpr(text)
    expect(prettyExpr(expr)).toBe(lines.join('\n'))
    // What is laid out means the same.
    expect(prettyExpr(parseExpr(prettyExpr(expr)))).toBe(lines.join('\n'))
  })
})
