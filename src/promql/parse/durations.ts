import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '../../domain/time.ts'
import { quoteGo } from './strings.ts'

const YEAR_MS = 365 * DAY_MS
const WEEK_MS = 7 * DAY_MS
/** About 292 years: what fits in 63 bits of nanoseconds. */
const DURATION_SECONDS_MAX = 2 ** 63 / 1e9

/** From the greatest to the smallest, the order in which they must be written. */
const units: readonly (readonly [unit: string, ms: number])[] = [
  ['y', YEAR_MS],
  ['w', WEEK_MS],
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
]

/** Milliseconds of a duration as Prometheus writes them ("1h30m", "5m", "0"), or what is wrong with it. */
export function parseDuration(text: string): { ms: number } | { error: string } {
  if (text === '0') return { ms: 0 }
  if (text === '') return { error: 'empty duration string' }
  const bad = { error: `not a valid duration string: ${quoteGo(text)}` }
  let total = 0
  let lastUnit = -1
  let rest = text
  while (rest !== '') {
    const match = /^(\d+)(\D+)/.exec(rest)
    if (!match) return bad
    const unit = units.findIndex(([name]) => name === match[2])
    if (unit < 0) return { error: `unknown unit ${quoteGo(match[2] as string)} in duration ${quoteGo(text)}` }
    if (unit <= lastUnit) return bad
    lastUnit = unit
    total += Number(match[1]) * (units[unit] as readonly [string, number])[1]
    if (isOutOfRange(total / 1000)) return { error: 'duration out of range' }
    rest = rest.slice(match[0].length)
  }
  return { ms: total }
}

/** "1h30m"; weeks and years only where nothing remains; "0s" for less than a millisecond. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`
  let rest = Math.trunc(ms)
  if (rest === 0) return '0s'
  let out = ''
  for (const [unit, size] of units) {
    if (size >= WEEK_MS && rest % size !== 0) continue
    const count = Math.floor(rest / size)
    if (count === 0) continue
    out += `${count}${unit}`
    rest -= count * size
  }
  return out
}

export function isOutOfRange(seconds: number): boolean {
  return seconds > DURATION_SECONDS_MAX || seconds < -DURATION_SECONDS_MAX
}

/** Whole milliseconds of a literal's seconds: rounded to nanoseconds first, then cut, as Prometheus does. */
export function literalMs(seconds: number): number {
  return Math.trunc(Math.round(seconds * 1e9) / 1e6) + 0
}
