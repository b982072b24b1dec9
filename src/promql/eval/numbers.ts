/** Numbers as Go's math and strconv treat them, where JavaScript differs. */

/** +Inf wins over NaN. */
export function goMax(a: number, b: number): number {
  return a === Infinity || b === Infinity ? Infinity : Math.max(a, b)
}

/** -Inf wins over NaN. */
export function goMin(a: number, b: number): number {
  return a === -Infinity || b === -Infinity ? -Infinity : Math.min(a, b)
}

/** 1 to any power is 1, and so is -1 to an infinite one. */
export function goPow(base: number, exponent: number): number {
  if (base === 1) return 1
  if (base === -1 && (exponent === Infinity || exponent === -Infinity)) return 1
  return base ** exponent
}

/** strconv.ParseFloat for decimal text; null where it fails (malformed or out of range). */
export function parseGoFloat(text: string): number | null {
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) {
    const value = Number(text)
    return Number.isFinite(value) ? value : null
  }
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (special === null) return null
  if ((special[2] as string).toLowerCase() === 'nan') return Number.NaN
  return special[1] === '-' ? -Infinity : Infinity
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return null
}

/** strconv.FormatFloat(value, 'f', -1, 64): the shortest decimal that reads back the same, never with an exponent. */
export function formatDecimal(value: number): string {
  const name = special(value)
  if (name !== null) return name
  const sign = value < 0 || Object.is(value, -0) ? '-' : ''
  const [mantissa, exponent] = Math.abs(value).toExponential().split('e') as [string, string]
  const digits = mantissa.replace('.', '')
  const point = 1 + Number(exponent)
  if (point <= 0) return value === 0 ? `${sign}0` : `${sign}0.${'0'.repeat(-point)}${digits}`
  if (point >= digits.length) return sign + digits + '0'.repeat(point - digits.length)
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`
}

/** fmt's %g, or %.<precision>g. */
export function formatG(value: number, precision?: number): string {
  const name = special(value)
  if (name !== null) return name
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const text = precision === undefined ? Math.abs(value).toExponential() : Math.abs(value).toExponential(precision - 1)
  const [mantissa, exponentText] = text.split('e') as [string, string]
  const exponent = Number(exponentText)
  const sign = value < 0 ? '-' : ''
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  const threshold = precision ?? 6
  if (exponent >= -4 && exponent < threshold) return sign + formatDecimal(Number(`${digits}e${exponent - digits.length + 1}`))
  const magnitude = String(Math.abs(exponent)).padStart(2, '0')
  return `${sign}${digits[0]}${digits.length > 1 ? `.${digits.slice(1)}` : ''}e${exponent < 0 ? '-' : '+'}${magnitude}`
}

/** strconv.Quote, near enough for printable text. */
export function goQuote(text: string): string {
  return JSON.stringify(text).replace(/\\u00([0-9a-f]{2})/g, '\\x$1')
}
