/** How numbers, times and ages are written. */

export type Unit = 'none' | 'percent' | 'bytes' | 'bytes/s' | 'seconds' | '/s' | 'count'

const decimal = [
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

const binary = [
  [2 ** 40, 'TiB'],
  [2 ** 30, 'GiB'],
  [2 ** 20, 'MiB'],
  [2 ** 10, 'KiB'],
] as const

export function formatValue(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  switch (unit) {
    case 'percent':
      return `${short(value)} %`
    case 'bytes':
      return scaled(value, binary, 'B')
    case 'bytes/s':
      return `${scaled(value, binary, 'B')}/s`
    case 'seconds':
      return seconds(value)
    case '/s':
      return `${scaled(value, decimal, '')}/s`
    case 'count':
    case 'none':
      return scaled(value, decimal, '')
  }
}

/** For tables, where a value must be read off exactly. */
export function exactValue(value: number | string | null): string {
  if (value === null) return '–'
  return String(value)
}

export function formatAge(ageMs: number): string {
  if (ageMs < 10_000) return `${(Math.max(ageMs, 0) / 1000).toFixed(1)} s`
  if (ageMs < 120_000) return `${Math.round(ageMs / 1000)} s`
  if (ageMs < 7_200_000) return `${Math.round(ageMs / 60_000)} min`
  return `${Math.round(ageMs / 3_600_000)} h`
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })

export function formatTime(ms: number): string {
  return clock.format(ms)
}

/** A number as JSON carries it. */
export function parseValue(value: number | string | null): number | null {
  if (typeof value === 'number' || value === null) return value
  if (value === '+Inf') return Number.POSITIVE_INFINITY
  if (value === '-Inf') return Number.NEGATIVE_INFINITY
  return Number.NaN
}

function short(value: number): string {
  const size = Math.abs(value)
  if (size !== 0 && size < 0.001) return value.toExponential(1)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return String(Number(value.toFixed(digits)))
}

function scaled(value: number, steps: readonly (readonly [number, string])[], unit: string): string {
  const size = Math.abs(value)
  const step = steps.find(([from]) => size >= from)
  const [by, name] = step ?? [1, unit]
  const number = short(value / by)
  if (name === '') return number
  return steps === decimal ? `${number}${name}` : `${number} ${name}`
}

function seconds(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0 s'
  if (size < 1e-3) return `${short(value * 1e6)} µs`
  if (size < 1) return `${short(value * 1e3)} ms`
  if (size < 120) return `${short(value)} s`
  return `${short(value / 60)} min`
}
