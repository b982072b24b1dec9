import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDuration } from '../domain/duration.ts'

/** A value that YAML writes as it is and the environment and flags as text; `parse` gives undefined for what it can't read. */
function value<T>(expected: string, parse: (met: unknown) => T | undefined) {
  return z.unknown().transform((met, context): T => {
    const parsed = parse(met)
    if (parsed !== undefined) return parsed
    context.addIssue({ code: 'custom', message: `expected ${expected}, met ${show(met)}` })
    return z.NEVER
  })
}

export function show(met: unknown): string {
  if (met === undefined) return 'nothing'
  const text = JSON.stringify(met) ?? String(met)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

export const text = (expected: string, isValid: (met: string) => boolean = () => true) =>
  value(expected, (met) => (typeof met === 'string' && met !== '' && isValid(met) ? met : undefined))

export const isToken = (met: string) => /^[\x21-\x7e]+$/.test(met)

/** Its message keeps to itself what was met. */
export const secret = z
  .string({ error: 'expected a token' })
  .refine(isToken, { error: 'expected a token of printable characters without spaces' })

export const integer = (min: number, max: number) =>
  value(`a whole number from ${min} to ${max}`, (met) => {
    const number = typeof met === 'string' && /^\d+$/.test(met) ? Number(met) : met
    return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max ? number : undefined
  })

export const boolean = value('true or false', (met) => {
  if (met === true || met === 'true') return true
  return met === false || met === 'false' ? false : undefined
})

/** In milliseconds. */
export const duration = (minText: string, maxText: string) =>
  value(`a duration from ${minText} to ${maxText}, such as "90s" or "1h30m"`, (met) => {
    const ms = met === 0 ? 0 : typeof met === 'string' ? parseDuration(met) : null
    return ms !== null && ms >= (parseDuration(minText) ?? 0) && ms <= (parseDuration(maxText) ?? Infinity) ? ms : undefined
  })

const byteUnits: Readonly<Record<string, number>> = { '': 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** In bytes; units are powers of 1024 in every spelling, as Prometheus has it. */
export const bytes = (min: number) =>
  value(`a size such as "512MB" or "8GiB", at least ${min} bytes`, (met) => {
    const match = /^(\d+)\s*([KMGT]?)(?:i?B)?$/i.exec(String(met))
    const count = match ? Number(match[1]) * (byteUnits[(match[2] ?? '').toUpperCase()] ?? Number.NaN) : Number.NaN
    return (typeof met === 'string' || typeof met === 'number') && Number.isSafeInteger(count) && count >= min ? count : undefined
  })

export const oneOf = <T extends string>(words: readonly T[]) =>
  value(`one of ${words.join(', ')}`, (met) => words.find((word) => word === met))

/** A YAML list, or text with commas. */
export const list = <T>(item: z.ZodType<T>) =>
  z.preprocess(
    (met) =>
      typeof met === 'string'
        ? met
            .split(',')
            .map((part) => part.trim())
            .filter((part) => part !== '')
        : met,
    z.array(item, { error: ({ input }) => `expected a list, met ${show(input)}` }),
  )

/** An address or a range of them: "10.0.0.0/8", "::1", "192.168.1.7". */
export const cidr = text('an address range such as "10.0.0.0/8" or "fd00::/8"', (met) => {
  const [address = '', prefix, ...rest] = met.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128))
})

/**
 * A mapping with these keys and no others. The message of an unknown key is the list of known ones: whoever reports it finds the nearest.
 */
export const section = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? Object.keys(shape).join(' ') : `expected a mapping, met ${show(issue.input)}`),
  })

/** The word that a mistyped one was meant to be, or null. */
export function nearest(word: string, words: readonly string[]): string | null {
  const normal = (text: string) => text.replace(/[-_]/g, '').toLowerCase()
  let best: string | null = null
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1
  if (word.length > 40) return null
  for (const candidate of words) {
    const distance = editDistance(normal(word), normal(candidate))
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Insertions, deletions, replacements, and neighbours swapped. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(replaced, previous[j]! + 1, row[j - 1]! + 1, isSwap ? beforePrevious[j - 2]! + 1 : Number.POSITIVE_INFINITY))
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length]!
}
