import { parseDuration } from '../domain/duration.ts'
import type { TimestampMs } from '../domain/time.ts'
import { ApiError } from './api-error.ts'

/** The farthest time that a date can have. */
const INSTANT_MS_MAX = 8_640_000_000_000_000

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
  time(name: string, fallback: TimestampMs | null = null): TimestampMs {
    const text = this.get(name)
    if (text === '' && fallback !== null) return fallback
    const time = parseTime(text)
    if (time === null) throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid timestamp`)
    return time
  }

  optionalTime(name: string): TimestampMs | null {
    return this.get(name) === '' ? null : this.time(name)
  }

  /** Seconds or a duration, in milliseconds. @throws ApiError bad_data */
  duration(name: string): number {
    const text = this.get(name)
    if (isFloat(text)) {
      const ms = Number(text) * 1000
      if (Math.abs(ms) > Number.MAX_SAFE_INTEGER)
        throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid duration. It overflows int64`)
      return Math.round(ms)
    }
    const ms = parseDuration(text.replace(/^-/, ''))
    if (ms === null || text === '') throw invalid(name, `cannot parse ${JSON.stringify(text)} to a valid duration`)
    return text.startsWith('-') ? -ms : ms
  }

  optionalDuration(name: string): number | undefined {
    return this.get(name) === '' ? undefined : this.duration(name)
  }

  /** 0: none. @throws ApiError bad_data */
  limit(name = 'limit'): number {
    const text = this.get(name)
    if (text === '') return 0
    if (!/^[+-]?\d+$/.test(text)) throw invalid(name, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
    if (Number(text) < 0) throw invalid(name, 'limit must be non-negative')
    return Number(text)
  }
}

export function invalid(name: string, message: string): ApiError {
  return new ApiError('bad_data', `invalid parameter ${JSON.stringify(name)}: ${message}`)
}

function isFloat(text: string): boolean {
  return /^[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
}

function parseTime(text: string): TimestampMs | null {
  if (isFloat(text)) {
    const seconds = Number(text)
    const ms = Math.round(seconds * 1000)
    return Math.abs(ms) <= INSTANT_MS_MAX ? ms : Math.sign(ms) * INSTANT_MS_MAX
  }
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)) return null
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? null : ms
}
