import { RE2JS } from 're2js'
import type { Labels } from '../../src/domain/labels.ts'
import type { Matcher } from '../../src/domain/matcher.ts'
import { setStaleAt } from '../../src/domain/sample.ts'
import type { SeriesColumns } from '../../src/domain/series.ts'
import { type EvalWindow, evaluateInstant, evaluateRange, selections } from '../../src/promql/evaluate.ts'
import { parseExpr } from '../../src/promql/parse/parse.ts'
import type { Annotations, InstantResult, RangeResult } from '../../src/promql/result.ts'
import { type EvalCommand, type Expectation, type LoadCommand, type Point, parseScript } from './promqltest-script.ts'

export interface Failure {
  readonly line: number
  readonly expr: string
  readonly message: string
  /** It is about data that this runner could not load (native histograms). */
  readonly unsupported: boolean
}

export interface Outcome {
  readonly evaluated: number
  readonly failures: Failure[]
}

const LOOKBACK_MS = 5 * 60_000
const limits = { samplesMax: 50_000_000, checkpoint: () => {} }

/** Runs a script. An instant query is asked as a range query around its time as well: the answer there must be the same. */
export function runScript(script: string): Outcome {
  const store = new Store()
  const failures: Failure[] = []
  let evaluated = 0
  const incomplete = new Set<string>()
  for (const command of parseScript(script)) {
    if (command.kind === 'clear') {
      store.clear()
      incomplete.clear()
    } else if (command.kind === 'load') {
      store.load(command)
      for (const metric of command.incomplete) incomplete.add(metric)
    } else {
      evaluated++
      const message = failureOf(command, store)
      if (message !== null) failures.push({ line: command.line, expr: command.expr, message, unsupported: isBeyond(command, incomplete) })
    }
  }
  return { evaluated, failures }
}

function isBeyond({ expr, series }: EvalCommand, incomplete: ReadonlySet<string>): boolean {
  if (series.some(({ points }) => points.includes('histogram'))) return true
  if (incomplete.size > 0 && expr.includes('__name__')) return true
  return [...incomplete].some((metric) => new RegExp(`(^|[^\\w:])${metric}($|[^\\w:])`).test(expr))
}

/** The loaded samples. */
class Store {
  readonly #series = new Map<string, { labels: Labels; samples: Map<number, Point> }>()

  clear(): void {
    this.#series.clear()
  }

  load({ stepMs, series }: LoadCommand): void {
    for (const { labels, points } of series) {
      let entry = this.#series.get(labels.key)
      if (entry === undefined) {
        entry = { labels, samples: new Map() }
        this.#series.set(labels.key, entry)
      }
      for (const [i, point] of points.entries()) if (point !== null && point !== 'histogram') entry.samples.set(i * stepMs, point)
    }
  }

  select(matchers: readonly Matcher[], startMs: number, endMs: number): SeriesColumns[] {
    const tests = matchers.map(matcherTest)
    const out: SeriesColumns[] = []
    for (const { labels, samples } of this.#series.values()) {
      if (!tests.every((test) => test(labels))) continue
      const times = Float64Array.from([...samples.keys()].filter((time) => time > startMs && time <= endMs).sort((a, b) => a - b))
      if (times.length === 0) continue
      const values = new Float64Array(times.length)
      const bits = new Uint32Array(values.buffer)
      for (const [i, time] of times.entries()) {
        const point = samples.get(time)
        if (point === 'stale') setStaleAt(bits, i)
        else values[i] = point as number
      }
      out.push({ labels, times, values })
    }
    return out.sort((a, b) => (a.labels.key < b.labels.key ? -1 : 1))
  }
}

function matcherTest({ name, type, value }: Matcher): (labels: Labels) => boolean {
  if (type === '=') return (labels) => labels.get(name) === value
  if (type === '!=') return (labels) => labels.get(name) !== value
  const regex = RE2JS.compile(`^(?s:${value})$`)
  return (labels) => regex.matcher(labels.get(name)).find() === (type === '=~')
}

type Answer = { result: InstantResult | RangeResult } & Annotations

function query(command: Pick<EvalCommand, 'expr' | 'startMs' | 'endMs' | 'stepMs'>, store: Store): Answer {
  const { expr: text, startMs, endMs, stepMs } = command
  const expr = parseExpr(text, { stepMs, rangeMs: endMs - startMs })
  const window: EvalWindow = { startMs, endMs, stepMs, lookbackMs: LOOKBACK_MS }
  const loaded = new Map(
    selections(expr, window).map(({ selector, matchers, range }) => [selector, store.select(matchers, range.startMs, range.endMs)]),
  )
  return stepMs === 0 ? evaluateInstant(expr, window, loaded, limits, text) : evaluateRange(expr, window, loaded, limits, text)
}

function failureOf(command: EvalCommand, store: Store): string | null {
  const fails = command.expectations.filter(({ type }) => type === 'fail')
  let answer: Answer
  try {
    answer = query(command, store)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (fails.length === 0) return `failed: ${error instanceof TypeError ? error.stack : message}`
    const unmet = fails.find((fail) => !matches(fail, message))
    return unmet === undefined ? null : `failed with another message: ${message}`
  }
  if (fails.length > 0) return 'should have failed'
  return (
    annotationFailure(command, answer) ??
    resultFailure(command, answer.result) ??
    (command.stepMs === 0 ? rangeFailure(command, store) : null)
  )
}

function matches({ match, text }: Expectation, message: string): boolean {
  if (match === 'any') return true
  return match === 'msg' ? message === text : RE2JS.compile(text).matcher(message).find()
}

function annotationFailure({ expectations }: EvalCommand, { warnings, infos }: Answer): string | null {
  for (const expectation of expectations) {
    const met = expectation.type.endsWith('warn') ? warnings : infos
    if (expectation.type === 'no_warn' || expectation.type === 'no_info') {
      if (met.length > 0) return `annotated: ${met.join('; ')}`
    } else if (expectation.type === 'warn' || expectation.type === 'info') {
      if (!met.some((text) => matches(expectation, text))) return `no such annotation; met: ${met.join('; ') || 'none'}`
    }
  }
  return null
}

function resultFailure(command: EvalCommand, result: InstantResult | RangeResult): string | null {
  switch (result.type) {
    case 'scalar':
      if (command.scalar === null) return `is a scalar: ${result.value}`
      return almostEqual(result.value, command.scalar) ? null : `is ${result.value}`
    case 'string':
      return result.value === command.text ? null : `is ${JSON.stringify(result.value)}`
    case 'vector': {
      if (command.scalar !== null) return 'is a vector'
      const actual = result.series.map(({ labels, value }) => ({ labels, points: [value] }))
      const ordered = command.expectations.some(({ type }) => type === 'ordered')
      return seriesFailure(command.series, actual) ?? (ordered ? orderFailure(command, actual) : null)
    }
    case 'matrix':
      return matrixFailure(command, result)
    case 'range':
      return seriesFailure(
        command.series,
        result.series.map(({ labels, values, present }) => ({
          labels,
          points: [...values].map((value, k) => (present === null || present[k] === 1 ? value : null)),
        })),
      )
  }
}

function matrixFailure(
  { series, rangeVector, stepMs, startMs }: EvalCommand,
  result: Extract<InstantResult, { type: 'matrix' }>,
): string | null {
  const first = rangeVector?.startMs ?? startMs
  const step = rangeVector?.stepMs ?? (stepMs || 1)
  const actual = result.series.map(({ labels, times, values }) => {
    const points: Point[] = []
    for (const [i, time] of times.entries()) {
      const at = (time - first) / step
      if (at < 0 || !Number.isInteger(at)) return { labels, points: [Number.NEGATIVE_INFINITY] }
      while (points.length < at) points.push(null)
      points.push(values[i] as number)
    }
    return { labels, points }
  })
  return seriesFailure(series, actual)
}

interface Points {
  readonly labels: Labels
  readonly points: readonly Point[]
}

function seriesFailure(expected: readonly Points[], actual: readonly Points[]): string | null {
  const wanted = new Map(expected.map((series) => [series.labels.key, series]))
  for (const { labels, points } of actual) {
    const series = wanted.get(labels.key)
    if (series === undefined) return `unexpected ${labels}: ${points.join(' ')}`
    wanted.delete(labels.key)
    if (!samePoints(series.points, points)) return `${labels} is ${points.map((point) => point ?? '_').join(' ')}`
  }
  const missing = [...wanted.values()].find(({ points }) => points.some((point) => point !== null))
  return missing === undefined ? null : `${missing.labels} is missing`
}

function samePoints(expected: readonly Point[], actual: readonly Point[]): boolean {
  for (let i = 0; i < Math.max(expected.length, actual.length); i++) {
    const a = expected[i] ?? null
    const b = actual[i] ?? null
    if (typeof a === 'number' && typeof b === 'number' ? !almostEqual(a, b) : a !== b) return false
  }
  return true
}

function orderFailure({ series }: EvalCommand, actual: readonly Points[]): string | null {
  const same = series.every(({ labels }, i) => actual[i]?.labels.key === labels.key)
  return same ? null : `is in the order ${actual.map(({ labels }) => labels).join(', ')}`
}

/** An instant query's answer must be that of a range query at the same time. */
function rangeFailure(command: EvalCommand, store: Store): string | null {
  if (command.rangeVector !== null || command.text !== null) return null
  const { expr, startMs } = command
  if (/\b(start|end|range|step)\(\)/.test(expr)) return null
  const { result } = query({ expr, startMs: startMs - 60_000, endMs: startMs + 60_000, stepMs: 60_000 }, store)
  if (result.type !== 'range') return null
  const actual: Points[] = []
  for (const { labels, values, present } of result.series) {
    if (present === null || present[1] === 1) actual.push({ labels, points: [values[1] as number] })
  }
  if (command.scalar !== null)
    return almostEqual(command.scalar, (actual[0]?.points[0] ?? Number.NaN) as number) ? null : 'differs as a range query'
  const failure = seriesFailure(command.series, actual)
  return failure === null ? null : `as a range query: ${failure}`
}

function almostEqual(a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b)
  if (a === b) return true
  const sum = Math.abs(a) + Math.abs(b)
  const difference = Math.abs(a - b)
  if (a === 0 || b === 0 || sum < 2 ** -1022) return difference < 1e-6 * 2 ** -1022
  return difference / Math.min(sum, Number.MAX_VALUE) < 1e-6
}
