import { Labels } from '../../src/domain/labels.ts'
import { parseDuration } from '../../src/promql/parse/durations.ts'
import { parseMetricSelector } from '../../src/promql/parse/parse.ts'

/*
 * Scripts that say what queries answer, in the language of Prometheus' own promqltest, so that they can be run against it too:
 *
 *   load 10s
 *     requests_total{job="a"} 0+10x6 _ stale
 *   eval instant at 1m rate(requests_total[1m])
 *     {job="a"} 1
 *   eval range from 0 to 1m step 30s requests_total
 *     requests_total{job="a"} 0 30 60
 *   clear
 *
 * Under `eval`: `expect fail|warn|info|no_warn|no_info|ordered [msg:|regex: text]`, `expect string "text"`, `expect range vector from
 * <time> to <time> step <duration>`; or one number, for a scalar.
 */

/** A point of a sequence; null: no sample there. */
export type Point = number | 'stale' | 'histogram' | null

export interface LoadCommand {
  readonly kind: 'load'
  readonly line: number
  readonly stepMs: number
  readonly series: readonly { readonly labels: Labels; readonly points: readonly Point[] }[]
  /** Metrics of which not all could be loaded: native histograms and start timestamps are beyond this runner. */
  readonly incomplete: readonly string[]
}

export interface Expectation {
  readonly type: 'fail' | 'warn' | 'info' | 'no_warn' | 'no_info' | 'ordered'
  readonly match: 'any' | 'msg' | 'regex'
  readonly text: string
}

export interface EvalCommand {
  readonly kind: 'eval'
  readonly line: number
  readonly expr: string
  readonly startMs: number
  readonly endMs: number
  /** 0: an instant query. */
  readonly stepMs: number
  readonly expectations: Expectation[]
  readonly series: { readonly labels: Labels; readonly points: readonly Point[] }[]
  scalar: number | null
  text: string | null
  /** The times of a range vector that an instant query yields. */
  rangeVector: { readonly startMs: number; readonly stepMs: number } | null
}

export type Command = LoadCommand | EvalCommand | { readonly kind: 'clear'; readonly line: number }

export function parseScript(script: string): Command[] {
  const lines = script.split('\n').map((line) => (line.trim().startsWith('#') ? '' : line.trim()))
  const commands: Command[] = []
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string
    if (line === '') continue
    const body: string[] = []
    const first = i
    if (line !== 'clear') while (i + 1 < lines.length && lines[i + 1] !== '') body.push(lines[++i] as string)
    if (line === 'clear') commands.push({ kind: 'clear', line: i + 1 })
    else if (line.startsWith('load')) commands.push(parseLoad(line, body, first + 1))
    else if (line.startsWith('eval')) commands.push(parseEval(line, body, first + 1))
    else throw new Error(`line ${first + 1}: no command: ${line}`)
  }
  return commands
}

export function durationMs(text: string): number {
  const parsed = parseDuration(text)
  if ('error' in parsed) throw new Error(`no duration: ${text}`)
  return parsed.ms
}

function timeMs(text: string): number {
  return text.startsWith('-') ? -durationMs(text.slice(1)) : durationMs(text)
}

function parseLoad(line: string, body: readonly string[], at: number): LoadCommand {
  const match = /^load(_with_nhcb)?\s+(\S+)/.exec(line)
  if (match === null) throw new Error(`line ${at}: malformed load`)
  const series = body.filter((text) => !text.includes('@st')).map(parseSeries)
  const incomplete = new Set<string>()
  for (const text of body) if (text.includes('@st')) incomplete.add(/^[\w:]*/.exec(text)?.[0] ?? '')
  for (const { labels, points } of series) {
    if (points.includes('histogram')) incomplete.add(labels.metric)
    if (match[1] !== undefined) incomplete.add(labels.metric.replace(/_(bucket|count|sum)$/, ''))
  }
  return { kind: 'load', line: at, stepMs: durationMs(match[2] as string), series, incomplete: [...incomplete] }
}

function parseEval(line: string, body: readonly string[], at: number): EvalCommand {
  const instant = /^eval(?:_(fail|warn|ordered|info))?\s+instant\s+(?:at\s+(.+?))?\s+(.+)$/.exec(line)
  const range = /^eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)$/.exec(line)
  const parts = instant ?? range
  if (parts === null) throw new Error(`line ${at}: malformed eval`)
  const startMs = timeMs(parts[2] as string)
  const command: EvalCommand = {
    kind: 'eval',
    line: at,
    expr: (instant?.[3] ?? range?.[5]) as string,
    startMs,
    endMs: range === null ? startMs : timeMs(range[3] as string),
    stepMs: range === null ? 0 : durationMs(range[4] as string),
    expectations: [],
    series: [],
    scalar: null,
    text: null,
    rangeVector: null,
  }
  if (parts[1] !== undefined) command.expectations.push({ type: parts[1] as Expectation['type'], match: 'any', text: '' })
  for (const text of body) parseExpectation(text, command)
  return command
}

function parseExpectation(text: string, command: EvalCommand): void {
  const vector = /^expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)$/.exec(text)
  if (vector !== null) {
    command.rangeVector = { startMs: timeMs(vector[1] as string), stepMs: durationMs(vector[3] as string) }
    return
  }
  const literal = /^expect string (["`])(.*)\1$/.exec(text)
  if (literal !== null) {
    command.text = literal[1] === '`' ? (literal[2] as string) : (JSON.parse(`"${literal[2]}"`) as string)
    return
  }
  const failure = /^expected_fail_(message|regexp)\s+(.*)$/.exec(text)
  if (failure !== null) {
    command.expectations.push({ type: 'fail', match: failure[1] === 'message' ? 'msg' : 'regex', text: failure[2] as string })
    return
  }
  const expectation = /^expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?$/.exec(text)
  if (expectation !== null) {
    command.expectations.push({
      type: expectation[1] as Expectation['type'],
      match: (expectation[2] as 'regex' | 'msg' | undefined) ?? 'any',
      text: unquoted((expectation[3] ?? '').trim()),
    })
    return
  }
  if (!/^[a-zA-Z_:{]/.test(text) || /^(nan|inf)$/i.test(text)) command.scalar = parseNumber(text)
  else command.series.push(parseSeries(text))
}

function unquoted(text: string): string {
  const match = /^(["`])(.*)\1$/.exec(text)
  return match === null ? text : (match[2] as string)
}

function parseSeries(text: string): { labels: Labels; points: Point[] } {
  const end = endOfSelector(text)
  const selector = text.slice(0, end)
  // A selector of nothing is no selector to the parser.
  const labels = /^\{\s*\}$/.test(selector)
    ? Labels.EMPTY
    : Labels.fromEntries(parseMetricSelector(selector.replace(/\{\s*\}$/, '')).map(({ name, value }) => [name, value] as const))
  return { labels, points: parsePoints(text.slice(end).trim()) }
}

/** Where the first space outside quotes and braces is. */
function endOfSelector(text: string): number {
  let quote = ''
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string
    if (quote !== '') {
      if (c === '\\' && quote !== '`') i++
      else if (c === quote) quote = ''
    } else if (c === '"' || c === "'" || c === '`') quote = c
    else if (c === '{') depth++
    else if (c === '}') depth--
    else if (depth === 0 && /\s/.test(c)) return i
  }
  return text.length
}

/** `1`, `1x3` (1 1 1 1), `1+2x3` (1 3 5 7), `_`, `_x3`, `stale`. */
function parsePoints(text: string): Point[] {
  const points: Point[] = []
  // A native histogram is one word, though it contains spaces.
  for (const word of text.replace(/\{\{.*?\}\}/g, 'histogram').split(/\s+/)) {
    if (word === '') continue
    if (word.includes('histogram')) {
      points.push('histogram')
      continue
    }
    const repeated = /^(.+?)x(\d+)$/.exec(word)
    const times = repeated === null ? 0 : Number(repeated[2])
    const value = repeated === null ? word : (repeated[1] as string)
    if (value === '_') {
      for (let i = 0; i < Math.max(1, times); i++) points.push(null)
      continue
    }
    if (value === 'stale') {
      points.push('stale')
      continue
    }
    const stepped = /^(.*[^eE+-])([+-].+)$/.exec(value)
    const start = parseNumber(stepped === null ? value : (stepped[1] as string))
    const step = stepped === null ? 0 : parseNumber((stepped[2] as string).replace(/^\+/, ''))
    let point = start
    for (let i = 0; i <= times; i++) {
      points.push(point)
      point += step
    }
  }
  return points
}

function parseNumber(text: string): number {
  if (/^[+-]?inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  if (/^[+-]?nan$/i.test(text)) return Number.NaN
  const number = /^([+-]?)(.+)$/.exec(text)
  const value = Number(number?.[2])
  if (number === null || Number.isNaN(value)) throw new Error(`no number: ${text}`)
  return number[1] === '-' ? -value : value
}
