import { describe, expect, it } from '@jest/globals'
import { expositionFormat, parseExposition, parseSeriesText } from '../../src/collect/scrape/exposition.ts'

describe('the text format 0.0.4', () => {
  it('reads samples, values of every kind, timestamps and metadata', () => {
    const page = parseExposition(
      [
        '# HELP http_requests_total All \\\\ requests\\nso far.',
        '# TYPE http_requests_total counter',
        'http_requests_total{code="200", path="/a b{c}\\"d"} 1027 1395066363000',
        'up 1',
        '# a comment',
        '',
        'a NaN',
        'b{} +Inf',
        'c -Inf',
        'd 1e-7',
        '  e{x="1"}   0x1p 5',
      ]
        .slice(0, 10)
        .join('\n'),
      'text',
    )
    expect(page.series).toEqual(['http_requests_total{code="200", path="/a b{c}\\"d"}', 'up', 'a', 'b{}', 'c', 'd'])
    expect(page.values).toEqual([1027, 1, Number.NaN, Infinity, -Infinity, 1e-7])
    expect(page.times).toEqual([1395066363000, ...Array(5).fill(Number.NaN)])
    expect(page.metadata).toEqual([{ metric: 'http_requests_total', type: 'counter', help: 'All \\ requests\nso far.', unit: '' }])
  })

  it.each([
    ['up', /line 1: a metric name without a value/],
    ['up one', /line 1: "one" is not a number/],
    ['up 1 2 3', /line 1: expected a value and at most a timestamp/],
    ['up 1 1.5', /"1.5" is not a timestamp/],
    ['up{a="1" 1', /labels without a closing brace/],
    ['ok 1\nup 0x10', /line 2: "0x10" is not a number/],
  ])('refuses %j', (page, message) => {
    expect(() => parseExposition(page, 'text')).toThrow(message)
  })
})

describe('OpenMetrics 1.0', () => {
  it('reads timestamps in seconds, skips exemplars, and wants an end', () => {
    const page = parseExposition(
      '# TYPE a counter\n# UNIT a seconds\na_total{x="#"} 5 1.5 # {trace="1"} 0.5 1\na_created 3\n# EOF\n',
      'openmetrics',
    )
    expect(page.series).toEqual(['a_total{x="#"}', 'a_created'])
    expect(page.values).toEqual([5, 3])
    expect(page.times[0]).toBe(1500)
    expect(page.metadata).toEqual([{ metric: 'a', type: 'counter', help: '', unit: 'seconds' }])
    expect(() => parseExposition('a 1\n', 'openmetrics')).toThrow(/without # EOF/)
    expect(() => parseExposition('# EOF\na 1\n', 'openmetrics')).toThrow(/after # EOF/)
  })

  it('is chosen by the content type', () => {
    expect(expositionFormat('application/openmetrics-text; version=1.0.0; charset=utf-8')).toBe('openmetrics')
    expect(expositionFormat('text/plain; version=0.0.4')).toBe('text')
    expect(expositionFormat(undefined)).toBe('text')
  })
})

describe('the text of a series', () => {
  it.each([
    ['up', { __name__: 'up' }],
    ['a:b{x="1",y="\\n\\\\\\"",}', { __name__: 'a:b', x: '1', y: '\n\\"' }],
    ['{"my.metric", "a b"="c", d="e"}', { __name__: 'my.metric', 'a b': 'c', d: 'e' }],
    ['up{empty=""}', { __name__: 'up' }],
  ])('%s', (text, labels) => {
    const parsed = parseSeriesText(text)
    expect(typeof parsed === 'string' ? parsed : parsed.toObject()).toEqual(labels)
  })

  it.each([
    ['{a="b"}', 'a sample without a name'],
    ['up{a="1",a="2"}', 'label a stands twice'],
    ['up{a}', 'expected = after label a'],
    ['up{a=1}', 'expected a quoted value of label a'],
    ['up{a="1"} x', 'unexpected text after }'],
  ])('refuses %s', (text, problem) => {
    expect(parseSeriesText(text)).toBe(problem)
  })
})
