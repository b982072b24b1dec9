import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './time.ts'

const units = [
  ['y', 365 * DAY_MS],
  ['w', 7 * DAY_MS],
  ['d', DAY_MS],
  ['h', HOUR_MS],
  ['m', MINUTE_MS],
  ['s', SECOND_MS],
  ['ms', 1],
] as const

const durationPattern = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/

/** A duration as Prometheus writes it ("5m", "1h30m", "0"), in milliseconds; null if it is none. Units stand from the greatest down. */
export function parseDuration(text: string): number | null {
  if (text === '0') return 0
  const match = durationPattern.exec(text)
  if (text === '' || match === null) return null
  let ms = 0
  for (const [index, [, unitMs]] of units.entries()) ms += Number(match[index + 1] ?? 0) * unitMs
  return Number.isSafeInteger(ms) ? ms : null
}

/** As Prometheus prints a duration: whole years, weeks and days only where nothing smaller is left ("90m" is "1h30m", 7 d are "1w"). */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  let rest = ms
  let text = ''
  for (const [name, unitMs] of units) {
    if (unitMs >= DAY_MS && rest % unitMs !== 0) continue
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${name}`
    rest -= count * unitMs
  }
  return text
}
