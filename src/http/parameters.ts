import { formatDuration, parseDuration } from '../domain/duration.ts'
import type { TimestampMs } from '../domain/time.ts'
import { ApiError } from './api-error.ts'

/** The farthest time that a date can have. */
const INSTANT_MS_MAX = 8_640_000_000_000_000
/** A Go duration is an int64 of nanoseconds. */
const SECONDS_MAX = 2 ** 63 / 1e9
/** How Go clients write "from the beginning" and "to the end". */
const EARLIEST = '-292273086-05-16T16:47:06Z'
const LATEST = '292277025-08-18T07:12:54.999999999Z'

/** Parameters of a request of the Prometheus API: of the URL, and of a form in the body. */
export class Parameters {
  readonly #values: URLSearchParams

  constructor(values: URLSearchParams) {
    this.#values = values
  }

  get(name: string): string {
    return this.#values.get(name) ?? ''
  }

  getAll(name: string): string[] {
    return this.#values.getAll(name)
  }

  /** A unix time in seconds or an RFC 3339 time. @throws ApiError bad_data */
  time(name: string): TimestampMs {
    return this.#time(name, '')
  }

  /** The same where it may be left out. @throws ApiError bad_data */
  optionalTime(name: string): TimestampMs | null {
    return this.get(name) === '' ? null : this.#time(name, `invalid time value for '${name}': `)
  }

  #time(name: string, prefix: string): TimestampMs {
    const text = this.get(name)
    const time = parseTime(text)
    if (time === null) throw invalid(name, `${prefix}cannot parse ${quote(text)} to a valid timestamp`)
    return time
  }

  /** Seconds or a duration, in milliseconds. @throws ApiError bad_data */
  duration(name: string): number {
    const parsed = parseSeconds(this.get(name))
    if (typeof parsed === 'string') throw invalid(name, parsed)
    return parsed
  }

  /** How long the query may take; undefined: as long as the server allows. @throws ApiError bad_data */
  timeout(): number | undefined {
    if (this.get('timeout') === '') return undefined
    const ms = this.duration('timeout')
    if (ms <= 0) throw invalid('timeout', `timeout must be positive, got ${ms === 0 ? '0s' : `-${formatDuration(-ms)}`}`)
    return ms
  }

  /** undefined: the server's own. @throws ApiError bad_data */
  lookback(): number | undefined {
    const text = this.get('lookback_delta')
    if (text === '') return undefined
    const parsed = parseSeconds(text)
    if (typeof parsed === 'string') throw new ApiError('bad_data', `error parsing lookback delta duration: ${parsed}`)
    return parsed > 0 ? parsed : undefined
  }

  /** 0: none. @throws ApiError bad_data */
  limit(): number {
    const text = this.get('limit')
    if (text === '') return 0
    if (!/^[+-]?\d+$/.test(text)) throw invalid('limit', `strconv.Atoi: parsing ${quote(text)}: invalid syntax`)
    const limit = BigInt(text.replace(/^\+/, ''))
    if (BigInt.asIntN(64, limit) !== limit) throw invalid('limit', `strconv.Atoi: parsing ${quote(text)}: value out of range`)
    if (limit < 0n) throw invalid('limit', 'limit must be non-negative')
    return Math.min(Number(limit), Number.MAX_SAFE_INTEGER - 1)
  }
}

export function invalid(name: string, message: string): ApiError {
  return new ApiError('bad_data', `invalid parameter ${quote(name)}: ${message}`)
}

function quote(text: string): string {
  return JSON.stringify(text)
}

/** A decimal number as Go's ParseFloat takes it; null if it is none, or not finite. */
function parseFloat64(text: string): number | null {
  // Number() takes more (blanks, hexadecimal) and less (underscores between digits).
  if (!/^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i.test(text)) return null
  const number = Number(text.replaceAll('_', ''))
  return Number.isFinite(number) ? number : null
}

/** Milliseconds, or what is wrong. */
function parseSeconds(text: string): number | string {
  const seconds = parseFloat64(text)
  if (seconds !== null) {
    return Math.abs(seconds) < SECONDS_MAX
      ? Math.round(seconds * 1000)
      : `cannot parse ${quote(text)} to a valid duration. It overflows int64`
  }
  const ms = parseDuration(text)
  return ms === null ? `cannot parse ${quote(text)} to a valid duration` : ms
}

function parseTime(text: string): TimestampMs | null {
  const seconds = parseFloat64(text)
  if (seconds !== null) {
    const whole = Math.trunc(seconds)
    return clampTime(whole * 1000 + Math.round((seconds - whole) * 1000))
  }
  if (text === EARLIEST) return -INSTANT_MS_MAX
  if (text === LATEST) return INSTANT_MS_MAX
  const match = /^(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (match === null || !isDate(Number(match[1]), Number(match[2]), Number(match[3]))) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}

/** Date.parse takes the 31st of any month. */
function isDate(year: number, month: number, day: number): boolean {
  const date = new Date(Date.UTC(year, month - 1, day))
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

function clampTime(ms: number): TimestampMs {
  return Math.max(-INSTANT_MS_MAX, Math.min(INSTANT_MS_MAX, ms))
}
