import { Labels, METRIC_NAME } from '../../domain/labels.ts'
import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'

/** A page of metrics can't be read; the whole scrape fails, as in Prometheus. */
export class ExpositionError extends Error {
  constructor(line: number, message: string) {
    super(`line ${line}: ${message}`)
    this.name = 'ExpositionError'
  }
}

/** What one page said. `series[i]` is the text before the value, a key for a cache; `times[i]` is NaN where the page gave none. */
export interface Exposition {
  readonly series: string[]
  readonly values: number[]
  /** Milliseconds since the epoch. */
  readonly times: number[]
  readonly metadata: readonly MetricMetadata[]
}

export type ExpositionFormat = 'text' | 'openmetrics'

/** By the Content-Type of an answer. Anything that is not OpenMetrics is read as text 0.0.4. */
export function expositionFormat(contentType: string | undefined): ExpositionFormat {
  return contentType?.trimStart().toLowerCase().startsWith('application/openmetrics-text') ? 'openmetrics' : 'text'
}

/** Reads the text format 0.0.4 or OpenMetrics 1.0. Exemplars are skipped. @throws ExpositionError */
export function parseExposition(page: string, format: ExpositionFormat): Exposition {
  const series: string[] = []
  const values: number[] = []
  const times: number[] = []
  const metadata = new Map<string, { type: string; help: string; unit: string }>()
  let ended = false
  let number = 0
  for (let start = 0; start < page.length; ) {
    let end = page.indexOf('\n', start)
    if (end === -1) end = page.length
    number++
    const line = page.slice(start, end > start && page.charCodeAt(end - 1) === 13 && format === 'text' ? end - 1 : end)
    start = end + 1
    if (ended) throw new ExpositionError(number, 'unexpected content after # EOF')
    if (format === 'openmetrics' && line === '# EOF') ended = true
    else if (line.startsWith('#')) readComment(line, format, metadata)
    else if (line.trim() !== '') readSample(line, number, format, series, values, times)
    else if (format === 'openmetrics') throw new ExpositionError(number, 'empty lines are not allowed in OpenMetrics')
  }
  if (format === 'openmetrics' && !ended) throw new ExpositionError(number, 'the page ends without # EOF, it may be cut off')
  return {
    series,
    values,
    times,
    metadata: [...metadata].map(([metric, { type, help, unit }]) => ({ metric, type: metadataType(type), help, unit })),
  }
}

function readComment(line: string, format: ExpositionFormat, metadata: Map<string, { type: string; help: string; unit: string }>): void {
  const match = /^#\s*(TYPE|HELP|UNIT)\s+("(?:[^"\\]|\\.)*"|\S+)(?:\s(.*))?$/s.exec(line)
  if (match === null) return
  const [, what, name, rest = ''] = match
  const metric = name.startsWith('"') ? unescapeText(name.slice(1, -1)) : name
  const known = metadata.get(metric) ?? { type: 'unknown', help: '', unit: '' }
  if (what === 'TYPE') known.type = rest.trim()
  else if (what === 'HELP')
    known.help = format === 'openmetrics' ? unescapeText(rest) : rest.replace(/\\(\\|n)/g, (_, c) => (c === 'n' ? '\n' : '\\'))
  else known.unit = rest.trim()
  metadata.set(metric, known)
}

const METADATA_TYPES = new Set<string>(['counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset', 'unknown'])

function metadataType(type: string): MetricMetadata['type'] {
  return (METADATA_TYPES.has(type) ? type : 'unknown') as MetricMetadata['type'] // one of the set
}

function readSample(line: string, number: number, format: ExpositionFormat, series: string[], values: number[], times: number[]): void {
  const end = seriesEnd(line, number)
  let rest = line.slice(end)
  if (format === 'openmetrics') {
    // An exemplar follows ` # `; no number contains one.
    const exemplar = rest.indexOf(' # ')
    if (exemplar !== -1) rest = rest.slice(0, exemplar)
  }
  const [value, time, ...more] = rest.trim().split(/[ \t]+/)
  if (value === '' || more.length > 0)
    throw new ExpositionError(
      number,
      `expected a value and at most a timestamp after the series, met ${JSON.stringify(rest.trim().slice(0, 50))}`,
    )
  const parsed = parseValue(value)
  if (parsed === null) throw new ExpositionError(number, `${JSON.stringify(value.slice(0, 50))} is not a number`)
  series.push(line.slice(0, end).trim())
  values.push(parsed)
  if (time === undefined) times.push(Number.NaN)
  else {
    const stamp = format === 'openmetrics' ? Math.round(Number(time) * 1000) : Number(time)
    if (!Number.isInteger(stamp)) throw new ExpositionError(number, `${JSON.stringify(time.slice(0, 50))} is not a timestamp`)
    times.push(stamp)
  }
}

/** Where the series text of a sample line ends. */
function seriesEnd(line: string, number: number): number {
  const brace = line.indexOf('{')
  const space = line.search(/[ \t]/)
  // A brace after the first value belongs to an exemplar.
  if (brace === -1 || (space !== -1 && space < brace && line.slice(0, brace).trim().includes(' '))) {
    if (space === -1) throw new ExpositionError(number, 'a metric name without a value')
    return space
  }
  let quoted = false
  for (let i = brace + 1; i < line.length; i++) {
    const c = line[i]
    if (quoted) {
      if (c === '\\') i++
      else if (c === '"') quoted = false
    } else if (c === '"') quoted = true
    else if (c === '}') return i + 1
  }
  throw new ExpositionError(number, 'labels without a closing brace')
}

/** @returns null if it is not a number in Go's sense */
function parseValue(text: string): number | null {
  const value = Number(text)
  if (!Number.isNaN(value) && /^[-+0-9.]/.test(text) && !/^[-+]?0[xob]/i.test(text)) return value
  switch (text.toLowerCase()) {
    case 'nan':
    case '+nan':
    case '-nan':
      return Number.NaN
    case 'inf':
    case '+inf':
    case 'infinity':
    case '+infinity':
      return Number.POSITIVE_INFINITY
    case '-inf':
    case '-infinity':
      return Number.NEGATIVE_INFINITY
    default:
      return null
  }
}

const NAME = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const QUOTED = /"((?:[^"\\]|\\.)*)"/y

/** Labels of a series text (`name{a="b"}` or `{"name", "a.b"="c"}`), as written. @returns what is wrong with it, as a string */
export function parseSeriesText(text: string): Labels | string {
  const entries: [string, string][] = []
  let at = 0
  const read = (pattern: RegExp): string | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match === null) return null
    at = pattern.lastIndex
    return match[1] === undefined ? match[0] : unescapeText(match[1])
  }
  const skip = () => {
    while (text[at] === ' ' || text[at] === '\t') at++
  }
  const name = read(NAME)
  if (name !== null) entries.push([METRIC_NAME, name])
  skip()
  if (at === text.length) return name === null ? 'a sample without a name' : Labels.fromEntries(entries)
  if (text[at++] !== '{') return `expected { after ${name}`
  const seen = new Set<string>(entries.map(([known]) => known))
  for (;;) {
    skip()
    if (text[at] === '}') break
    const quoted = text[at] === '"'
    const label = quoted ? read(QUOTED) : read(NAME)
    if (label === null) return `expected a label name at ${JSON.stringify(text.slice(at, at + 20))}`
    skip()
    let entry: [string, string]
    if (text[at] === '=') {
      at++
      skip()
      const value = read(QUOTED)
      if (value === null) return `expected a quoted value of label ${label}`
      entry = [label, value]
    } else if (quoted && !seen.has(METRIC_NAME)) entry = [METRIC_NAME, label]
    else return `expected = after label ${label}`
    if (seen.has(entry[0])) return `label ${entry[0]} stands twice`
    seen.add(entry[0])
    entries.push(entry)
    skip()
    if (text[at] === ',') at++
    else if (text[at] !== '}') return `expected , or } at ${JSON.stringify(text.slice(at, at + 20))}`
  }
  if (text.slice(at + 1).trim() !== '') return `unexpected text after }`
  if (!seen.has(METRIC_NAME)) return 'a sample without a name'
  return Labels.fromEntries(entries)
}

function unescapeText(text: string): string {
  return text.includes('\\') ? text.replace(/\\(.)/gs, (_, c) => (c === 'n' ? '\n' : c)) : text
}
