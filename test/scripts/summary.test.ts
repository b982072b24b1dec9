import { describe, expect, it } from '@jest/globals'
import { type JestReport, summarize } from '../../scripts/test.mjs'

function report(...tests: (readonly [status: string, fullName: string])[]): JestReport {
  const count = (wanted: string) => tests.filter(([status]) => status === wanted).length
  return {
    numPassedTests: count('passed'),
    numFailedTests: count('failed'),
    testResults: [
      { status: count('failed') > 0 ? 'failed' : 'passed', assertionResults: tests.map(([status, fullName]) => ({ status, fullName })) },
    ],
  }
}

describe('the summary of a test run', () => {
  it('ends with what passed and failed', () => {
    expect(summarize(report(['passed', 'a'], ['passed', 'b']), [], false)).toEqual({ lines: ['2 passed, 0 failed'], ok: true })
    expect(summarize(report(['passed', 'a'], ['failed', 'b']), [], false)).toEqual({ lines: ['1 passed, 1 failed'], ok: false })
  })

  it('names what was skipped, and counts it as failed where nothing may be', () => {
    const skipped = report(['passed', 'a'], ['pending', 'page [skipped: chromium is not installed]'], ['todo', 'c'])
    const free = summarize(skipped, [], false)
    expect(free.lines.at(-1)).toBe('1 passed, 0 failed, 2 skipped')
    expect(free.lines).toContain('  page [skipped: chromium is not installed]')
    expect(free.ok).toBe(true)
    const strict = summarize(skipped, [], true)
    expect([strict.lines.at(-1), strict.ok]).toEqual(['1 passed, 2 failed', false])
  })

  it('counts failed steps, and test files that could not be run', () => {
    expect(summarize(report(['passed', 'a']), ['lint', 'types'], false)).toEqual({
      lines: ['failed: lint, types', '1 passed, 2 failed'],
      ok: false,
    })
    const broken: JestReport = { numPassedTests: 0, numFailedTests: 0, testResults: [{ status: 'failed', assertionResults: [] }] }
    expect(summarize(broken, [], false)).toEqual({ lines: ['failed: 1 test file that could not be run', '0 passed, 1 failed'], ok: false })
  })

  it('is a failure without a report', () => {
    expect(summarize(null, [], false)).toEqual({ lines: ['failed: jest gave no report', '0 passed, 1 failed'], ok: false })
  })
})
