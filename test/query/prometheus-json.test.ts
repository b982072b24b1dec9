import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Labels } from '../../src/domain/labels.ts'
import type { InstantResult, RangeResult } from '../../src/promql/result.ts'
import { ByteWriter } from '../../src/query/byte-writer.ts'
import { formatValue, NUMBER_BYTES_MAX, writeTimestamp, writeValue } from '../../src/query/json-numbers.ts'
import { instantJson, rangeJson } from '../../src/query/prometheus-json.ts'
import type { Answer } from '../../src/query/query-service.ts'

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

function written(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter(NUMBER_BYTES_MAX)
  write(out)
  return text(out.finish())
}

describe('numbers', () => {
  // Right: what Go's strconv.AppendFloat(f, 'f' or 'e', -1, 64) gives as Prometheus' API calls it.
  it.each([
    [0, '0'],
    [-0, '-0'],
    [1, '1'],
    [-42, '-42'],
    [1234567890, '1234567890'],
    [2147483648, '2147483648'],
    [9007199254740991, '9007199254740991'],
    [0.1, '0.1'],
    [-0.25, '-0.25'],
    [100.5, '100.5'],
    [0.001, '0.001'],
    [1.005, '1.005'],
    [3.4666666666666663, '3.4666666666666663'],
    [0.1 + 0.2, '0.30000000000000004'],
    [123456789.123, '123456789.123'],
    [999999999999.999, '999999999999.999'],
    [0.000001, '0.000001'],
    [9.99e-7, '9.99e-07'],
    [1e-7, '1e-07'],
    [1.5e-10, '1.5e-10'],
    [5e-324, '5e-324'],
    [1e15, '1000000000000000'],
    [123456789012345680000, '123456789012345680000'],
    [1e21, '1e+21'],
    [1.7976931348623157e308, '1.7976931348623157e+308'],
    [-1e-9, '-1e-09'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
  ])('%d is written %s', (value, expected) => {
    expect(written((out) => writeValue(out, value))).toBe(expected)
    expect(formatValue(value)).toBe(expected)
  })

  it('fast and slow ways agree', () => {
    const decimals = fc.tuple(fc.integer(), fc.constantFrom(1, 10, 100, 1000, 10_000)).map(([integer, by]) => integer / by)
    fc.assert(
      fc.property(fc.oneof(fc.double(), fc.integer(), decimals), (value) => {
        expect(written((out) => writeValue(out, value))).toBe(formatValue(value))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    [0, '0'],
    [1435781430781, '1435781430.781'],
    [1435781430780, '1435781430.780'],
    [1435781430700, '1435781430.700'],
    [1435781430001, '1435781430.001'],
    [1435781430000, '1435781430'],
    [5, '0.005'],
    [-1500, '-1.500'],
  ])('the time %d ms is written %s', (timeMs, expected) => {
    expect(written((out) => writeTimestamp(out, timeMs))).toBe(expected)
  })
})

const plain = { limit: 0, stats: '' } as const

function answerOf<Result>(result: Result, texts: { warnings?: string[]; infos?: string[] } = {}): Answer<Result> {
  const stats = { seriesMatched: 2, samplesRead: 9, headSamples: 4, blocksRead: 1, bytesRead: 100, loadMs: 2, evaluateMs: 3 }
  return { result, warnings: [], infos: [], stats, asOf: 'p1_0.5', ageMs: 0, ...texts }
}

const range: RangeResult = {
  type: 'range',
  timestamps: Float64Array.of(1000, 1500, 2000),
  series: [
    { labels: Labels.fromObject({ __name__: 'up', job: 'a' }), values: Float64Array.of(1, 0.5, -0), present: null },
    { labels: Labels.fromObject({ job: 'b"\n\u00e9' }), values: Float64Array.of(0, Number.NaN, 7), present: Uint8Array.of(0, 1, 1) },
  ],
}

describe('a body', () => {
  it('of a range query has points only where there are some', () => {
    expect(text(rangeJson(answerOf(range), plain))).toBe(
      '{"status":"success","data":{"resultType":"matrix","result":[' +
        '{"metric":{"__name__":"up","job":"a"},"values":[[1,"1"],[1.500,"0.5"],[2,"-0"]]},' +
        '{"metric":{"job":"b\\"\\n\u00e9"},"values":[[1.500,"NaN"],[2,"7"]]}]}}',
    )
  })

  it.each<[InstantResult, string]>([
    [
      { type: 'vector', timeMs: 1500, series: [{ labels: Labels.fromObject({ a: 'b' }), value: Number.POSITIVE_INFINITY }] },
      '"vector","result":[{"metric":{"a":"b"},"value":[1.500,"+Inf"]}]',
    ],
    [{ type: 'vector', timeMs: 1500, series: [] }, '"vector","result":[]'],
    [
      { type: 'matrix', series: [{ labels: Labels.EMPTY, times: Float64Array.of(1, 2000), values: Float64Array.of(1, 2) }] },
      '"matrix","result":[{"metric":{},"values":[[0.001,"1"],[2,"2"]]}]',
    ],
    [{ type: 'scalar', timeMs: 1500, value: 1e21 }, '"scalar","result":[1.5,"1000000000000000000000"]'],
    [{ type: 'string', timeMs: 2000, value: 'a<b"' }, '"string","result":[2,"a\\u003cb\\""]'],
  ])('of an instant query: %j', (result, expected) => {
    expect(text(instantJson(answerOf(result), plain))).toBe(`{"status":"success","data":{"resultType":${expected}}}`)
  })

  it('is cut at the limit, and says so', () => {
    const body = JSON.parse(text(rangeJson(answerOf(range, { infos: ['i'] }), { limit: 1, stats: '' })))
    expect(body.data.result).toHaveLength(1)
    expect(body).toMatchObject({ warnings: ['results truncated due to limit'], infos: ['i'] })
    expect(JSON.parse(text(rangeJson(answerOf(range), { limit: 2, stats: '' })))).not.toHaveProperty('warnings')
  })

  it('holds the stats when they are asked for', () => {
    const body = JSON.parse(text(rangeJson(answerOf(range), { limit: 0, stats: 'true' })))
    expect(body.data.stats).toMatchObject({
      timings: { evalTotalTime: 0.005, queryPreparationTime: 0.002, innerEvalTime: 0.003 },
      samples: { totalQueryableSamples: 9, seriesTouched: 2 },
      tidemark: { asOf: 'p1_0.5', headSamples: 4 },
    })
  })

  it('is JSON whatever labels hold', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: 'binary', minLength: 1 })), (labels) => {
        const result = { type: 'vector', timeMs: 0, series: [{ labels: Labels.fromObject(labels), value: 1 }] } as const
        const body = JSON.parse(text(instantJson(answerOf<InstantResult>(result), plain)))
        expect(new Map(Object.entries(body.data.result[0].metric))).toEqual(new Map(Object.entries(labels)))
      }),
    )
  })
})
