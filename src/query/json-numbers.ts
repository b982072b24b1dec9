import type { ByteWriter } from './byte-writer.ts'

/** No number is longer: sign, 17 digits, point, "e-308" or 21 digits of an integer, and a little. */
export const NUMBER_BYTES_MAX = 32

const ZERO = 48
const POINT = 46
const MINUS = 45
const EXACT_MAX = 1e15
const scratch = new Uint8Array(NUMBER_BYTES_MAX)

/**
 * Writes a value as Prometheus' API does, without quotes: the shortest decimal that reads back the same; an exponent of at least two
 * digits below 1e-6 and from 1e21 on; NaN, +Inf, -Inf. The caller has reserved NUMBER_BYTES_MAX.
 */
export function writeValue(out: ByteWriter, value: number): void {
  if (value === Math.trunc(value) && value < EXACT_MAX && value > -EXACT_MAX) {
    writeSigned(out, value, 0)
    return
  }
  // Up to three decimals: fewer than 16 digits, so this decimal is the shortest one if it reads back as the value at all.
  const thousands = Math.round(value * 1000)
  if (thousands / 1000 === value && thousands < EXACT_MAX && thousands > -EXACT_MAX) {
    writeSigned(out, thousands, 3)
    return
  }
  writeText(out, formatValue(value))
}

/** As `writeValue`, as a string. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const text = String(value)
  const exponent = text.indexOf('e')
  // JavaScript changes to exponents at the same two magnitudes, and writes e-7 for e-07.
  return exponent >= 0 && text.length - exponent === 3 ? `${text.slice(0, exponent + 2)}0${text[exponent + 2]}` : text
}

/** Milliseconds as seconds, with three decimals unless they are a whole number of seconds. The caller has reserved NUMBER_BYTES_MAX. */
export function writeTimestamp(out: ByteWriter, timeMs: number): void {
  if (timeMs % 1000 === 0) writeSigned(out, timeMs / 1000, 0)
  else {
    const at = out.length
    writeSigned(out, timeMs, 3)
    // writeSigned cuts zeros off; Prometheus keeps three decimals here.
    let decimals = 0
    for (let i = at; i < out.length; i++) if (decimals > 0 || out.bytes[i] === POINT) decimals++
    for (; decimals < 4; decimals++) out.bytes[out.length++] = ZERO
  }
}

/** An integer of fewer than 16 digits, its last `decimals` digits behind a point, trailing zeros there cut off. */
function writeSigned(out: ByteWriter, integer: number, decimals: number): void {
  const { bytes } = out
  let at = out.length
  let rest = integer
  if (rest < 0 || Object.is(rest, -0)) {
    bytes[at++] = MINUS
    rest = -rest
  }
  let left = decimals
  while (left > 0 && rest % 10 === 0) {
    rest /= 10
    left--
  }
  let count = 0
  // 32-bit arithmetic as soon as it is enough: much faster.
  while (rest > 0x7fffffff) {
    const next = Math.floor(rest / 10)
    scratch[count++] = ZERO + (rest - next * 10)
    rest = next
  }
  for (let small = rest | 0; small > 0 || count <= left; ) {
    const next = (small / 10) | 0
    scratch[count++] = ZERO + (small - next * 10)
    small = next
  }
  while (count > 0) {
    if (count === left) bytes[at++] = POINT
    bytes[at++] = scratch[--count] as number
  }
  out.length = at
}

function writeText(out: ByteWriter, text: string): void {
  const { bytes } = out
  let at = out.length
  for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
  out.length = at
}
