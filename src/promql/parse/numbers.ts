import { quoteGo } from './strings.ts'

const decimal = /^(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?$/i
const integer = /^(0x_?[0-9a-f]+(_[0-9a-f]+)*|0(_?[0-7]+)+|[1-9]\d*(_\d+)*|0)$/i
const INT64_MAX = 2n ** 63n - 1n

/** The value of a number as the lexer found it, by Go's rules (0x1f hexadecimal, 017 octal, 1_000), or what is wrong with it. */
export function parseNumber(text: string): { value: number } | { error: string } {
  const lower = text.toLowerCase()
  if (lower === 'inf') return { value: Number.POSITIVE_INFINITY }
  if (lower === 'nan') return { value: Number.NaN }
  const whole = parseInt64(text)
  if (whole !== null) return { value: whole }
  if (!decimal.test(text)) return { error: `strconv.ParseFloat: parsing ${quoteGo(text)}: invalid syntax` }
  const value = Number(text.replaceAll('_', ''))
  return Number.isFinite(value) ? { value } : { error: `strconv.ParseFloat: parsing ${quoteGo(text)}: value out of range` }
}

function parseInt64(text: string): number | null {
  if (!integer.test(text)) return null
  const digits = text.replaceAll('_', '').toLowerCase()
  const value =
    digits.startsWith('0x') || digits === '0' ? BigInt(digits) : BigInt(digits.startsWith('0') ? `0o${digits.slice(1)}` : digits)
  return value <= INT64_MAX ? Number(value) : null
}
