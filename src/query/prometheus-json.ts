// Writes answers as the body that Prometheus' HTTP API gives, byte for byte where clients could tell. A range answer has the same
// timestamps in every series, so each is rendered once, with what stands around it (`[1435781430.781,"`), and copied from then on.

import type { Labels } from '../domain/labels.ts'
import { formatDecimal } from '../promql/print.ts'
import type { InstantResult, MatrixSeries, RangeResult, RangeSeries, VectorSample } from '../promql/result.ts'
import { ByteWriter } from './byte-writer.ts'
import { NUMBER_BYTES_MAX, writeTimestamp, writeValue } from './json-numbers.ts'
import type { Answer, PrometheusFormat } from './query-service.ts'

const TRUNCATED = 'results truncated due to limit'
const POINT_BYTES_MAX = 2 * NUMBER_BYTES_MAX + 8
const QUOTE = 34
const CLOSE = 93
const COMMA = 44
const COLON = 58
const BACKSLASH = 92

/** The whole body of a range query's answer, UTF-8. */
export function rangeJson(answer: Answer<RangeResult>, format: PrometheusFormat): Uint8Array<ArrayBuffer> {
  const { series: all, timestamps } = answer.result
  const series = cut(all, format.limit)
  const out = new ByteWriter(1024 + series.length * (256 + timestamps.length * 28))
  out.ascii('{"status":"success","data":{"resultType":"matrix","result":[')
  const openings = renderOpenings(timestamps)
  for (const [index, one] of series.entries()) {
    writeMetric(out, one.labels, index)
    out.ascii(',"values":[')
    writeRow(out, one, openings)
    out.ascii(']}')
  }
  return finish(out, answer, format, series.length < all.length)
}

/** The whole body of an instant query's answer, UTF-8. */
export function instantJson(answer: Answer<InstantResult>, format: PrometheusFormat): Uint8Array<ArrayBuffer> {
  const { result } = answer
  const out = new ByteWriter(4096)
  const resultType = result.type
  out.ascii(`{"status":"success","data":{"resultType":"${resultType}","result":[`)
  switch (result.type) {
    case 'scalar':
      out.ascii(`${result.timeMs / 1000},"${formatDecimal(result.value)}"`)
      return finish(out, answer, format, false)
    case 'string':
      out.ascii(`${result.timeMs / 1000},`)
      out.utf8(escapedForHtml(result.value))
      return finish(out, answer, format, false)
    case 'vector': {
      const series = cut(result.series, format.limit)
      writeVector(out, series, result.timeMs)
      return finish(out, answer, format, series.length < result.series.length)
    }
    case 'matrix': {
      const series = cut(result.series, format.limit)
      writeMatrix(out, series)
      return finish(out, answer, format, series.length < result.series.length)
    }
  }
}

function cut<T>(series: readonly T[], limit: number): readonly T[] {
  return limit > 0 && series.length > limit ? series.slice(0, limit) : series
}

/** What stands before each value of a row: `[<time>,"`, one after the other; `ends[i]` is where the i-th ends. */
interface Openings {
  readonly bytes: Uint8Array
  readonly ends: Uint32Array
}

function renderOpenings(timestamps: Float64Array): Openings {
  const out = new ByteWriter(timestamps.length * 24 + NUMBER_BYTES_MAX)
  const ends = new Uint32Array(timestamps.length)
  for (let i = 0; i < timestamps.length; i++) {
    out.reserve(POINT_BYTES_MAX)
    writeOpening(out, timestamps[i] as number)
    ends[i] = out.length
  }
  return { bytes: out.finish(), ends }
}

/** The caller has reserved POINT_BYTES_MAX. */
function writeOpening(out: ByteWriter, timeMs: number): void {
  out.bytes[out.length++] = 91
  writeTimestamp(out, timeMs)
  out.bytes[out.length++] = COMMA
  out.bytes[out.length++] = QUOTE
}

function writeRow(out: ByteWriter, { values, present }: RangeSeries, { bytes, ends }: Openings): void {
  out.reserve(values.length * (NUMBER_BYTES_MAX + 4) + bytes.length)
  const target = out.bytes
  let isFirst = true
  for (let i = 0; i < values.length; i++) {
    if (present !== null && present[i] === 0) continue
    let at = out.length
    if (!isFirst) target[at++] = COMMA
    isFirst = false
    const end = ends[i] as number
    for (let j = i === 0 ? 0 : (ends[i - 1] as number); j < end; j++) target[at++] = bytes[j] as number
    out.length = at
    writeValue(out, values[i] as number)
    target[out.length++] = QUOTE
    target[out.length++] = CLOSE
  }
}

function writeVector(out: ByteWriter, series: readonly VectorSample[], timeMs: number): void {
  for (const [index, one] of series.entries()) {
    writeMetric(out, one.labels, index)
    out.ascii(',"value":')
    writePoint(out, timeMs, one.value)
    out.ascii('}')
  }
}

function writeMatrix(out: ByteWriter, series: readonly MatrixSeries[]): void {
  for (const [index, { labels, times, values }] of series.entries()) {
    writeMetric(out, labels, index)
    out.ascii(',"values":[')
    for (let i = 0; i < times.length; i++) {
      if (i > 0) out.ascii(',')
      writePoint(out, times[i] as number, values[i] as number)
    }
    out.ascii(']}')
  }
}

function writePoint(out: ByteWriter, timeMs: number, value: number): void {
  out.reserve(POINT_BYTES_MAX)
  writeOpening(out, timeMs)
  writeValue(out, value)
  out.bytes[out.length++] = QUOTE
  out.bytes[out.length++] = CLOSE
}

function writeMetric(out: ByteWriter, labels: Labels, index: number): void {
  out.ascii(index === 0 ? '{"metric":{' : ',{"metric":{')
  const { pairs } = labels
  for (let i = 0; i < pairs.length; i += 2) {
    if (i > 0) out.bytes[out.length++] = COMMA
    writeString(out, pairs[i] as string)
    out.bytes[out.length++] = COLON
    writeString(out, pairs[i + 1] as string)
    out.reserve(2)
  }
  out.ascii('}')
}

/** A JSON string, with room for one more byte behind it. Most names and values are plain ASCII and are copied as they are. */
function writeString(out: ByteWriter, text: string): void {
  out.reserve(text.length + 4)
  const { bytes } = out
  const start = out.length
  let at = start
  bytes[at++] = QUOTE
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
      out.length = start
      out.utf8(JSON.stringify(text))
      out.reserve(2)
      return
    }
    bytes[at++] = code
  }
  bytes[at++] = QUOTE
  out.length = at
}

function finish(out: ByteWriter, answer: Answer<unknown>, format: PrometheusFormat, isCut: boolean): Uint8Array<ArrayBuffer> {
  out.ascii(']')
  if (format.stats !== '') {
    out.ascii(',"stats":')
    out.utf8(JSON.stringify(statsOf(answer)))
  }
  out.ascii('}')
  writeTexts(out, 'warnings', isCut ? [...answer.warnings, TRUNCATED] : answer.warnings)
  writeTexts(out, 'infos', answer.infos)
  out.ascii('}')
  return out.finish()
}

function writeTexts(out: ByteWriter, name: string, texts: readonly string[]): void {
  if (texts.length === 0) return
  out.ascii(`,"${name}":[`)
  out.utf8(texts.map(escapedForHtml).join(','))
  out.ascii(']')
}

/** Go's encoding/json escapes these where Prometheus leaves the text to it. */
function escapedForHtml(text: string): string {
  return JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** As Prometheus without feature flags shapes them (counts per step need one); what only Tidemark knows stands apart. */
function statsOf({ stats, asOf, ageMs }: Answer<unknown>): object {
  const loadSeconds = stats.loadMs / 1000
  const evaluateSeconds = stats.evaluateMs / 1000
  const total = loadSeconds + evaluateSeconds
  return {
    timings: {
      evalTotalTime: total,
      resultSortTime: 0,
      queryPreparationTime: loadSeconds,
      innerEvalTime: evaluateSeconds,
      execQueueTime: 0,
      execTotalTime: total,
    },
    samples: {
      totalQueryableSamples: stats.samplesRead,
      samplesRead: stats.samplesRead,
      seriesTouched: stats.seriesMatched,
      peakSamples: stats.samplesRead,
    },
    tidemark: { asOf, ageMs, headSamples: stats.headSamples, blocksRead: stats.blocksRead, bytesRead: stats.bytesRead },
  }
}
