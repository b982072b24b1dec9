import { parseDuration } from '../domain/duration.ts'
import { CliError } from './cli-error.ts'
import { ask } from './client.ts'
import { type Answer, formatAnswer } from './format-answer.ts'
import type { QueryFlags } from './program.ts'

const POINTS = 100

/** Prints a query's answer on standard output, its warnings on standard error. */
export async function query(expr: string, flags: QueryFlags): Promise<void> {
  const form = parameters(expr, flags, Date.now())
  const path = form.has('start') ? '/api/v1/query_range' : '/api/v1/query'
  // The server checks nothing less than we would: its answer has this shape.
  const answer = (await ask(flags, path, { method: 'POST', form })) as Answer
  for (const warning of [...(answer.warnings ?? []), ...(answer.infos ?? [])]) console.error(`tidemark: ${warning}`)
  console.log(flags.format === 'json' ? JSON.stringify(answer.data, null, 2) : formatAnswer(answer.data))
}

/** The form of a query, or, if --start is given, of a range query. */
export function parameters(expr: string, flags: Omit<QueryFlags, 'url' | 'format'>, nowMs: number): URLSearchParams {
  if (flags.start === undefined) {
    for (const name of ['end', 'step'] as const) {
      if (flags[name] !== undefined) throw new CliError(`--${name} belongs to a range query, which needs --start`)
    }
    return new URLSearchParams({ query: expr, time: String(parseTime(flags.time ?? 'now', '--time', nowMs)) })
  }
  if (flags.time !== undefined) throw new CliError('--time and --start exclude each other')
  const start = parseTime(flags.start, '--start', nowMs)
  const end = parseTime(flags.end ?? 'now', '--end', nowMs)
  if (end < start) throw new CliError('--end: expected a time after --start')
  const step = flags.step === undefined ? Math.max(1, Math.ceil((end - start) / POINTS)) : parseStep(flags.step)
  return new URLSearchParams({ query: expr, start: String(start), end: String(end), step: String(step) })
}

/** Unix seconds. */
function parseTime(text: string, flag: string, nowMs: number): number {
  if (text === 'now') return nowMs / 1000
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text)
  const agoMs = text.startsWith('-') ? parseDuration(text.slice(1)) : null
  if (agoMs !== null) return (nowMs - agoMs) / 1000
  const ms = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw new CliError(`${flag}: expected RFC 3339, Unix seconds, "now" or a time ago such as -5m, met "${text}"`)
  return ms / 1000
}

function parseStep(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (parseDuration(text) ?? 0) / 1000
  if (seconds <= 0) throw new CliError(`--step: expected a duration such as 15s, met "${text}"`)
  return seconds
}
