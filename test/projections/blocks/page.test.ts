import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { CorruptionError } from '../../../src/domain/errors.ts'
import { PageReader } from '../../../src/projections/blocks/page-reader.ts'
import { type Page, PageWriter } from '../../../src/projections/blocks/page-writer.ts'

interface Series {
  readonly times: readonly number[]
  /** Bits of each value: [low, high]. */
  readonly values: readonly (readonly [number, number])[]
}

function bitsOf(value: number): [number, number] {
  const words = new Uint32Array(Float64Array.of(value).buffer)
  return [words[0], words[1]]
}

function identity(index: number): Uint8Array {
  return new Uint8Array(16).fill(index + 1)
}

function write(series: readonly Series[], compress: boolean, pageBytesTarget = 64 * 1024): Page[] {
  const writer = new PageWriter({ pageBytesTarget, compress })
  series.forEach(({ times, values }, index) => {
    const columns = new Float64Array(values.length)
    const words = new Uint32Array(columns.buffer)
    values.forEach(([low, high], i) => {
      words[2 * i] = low
      words[2 * i + 1] = high
    })
    writer.add(identity(index), Float64Array.from(times), columns, 0, times.length)
  })
  return writer.finish()
}

function read(pages: readonly Page[]): Series[] {
  return pages.flatMap(({ bytes }) => {
    const page = PageReader.open(bytes, 'test')
    return Array.from({ length: page.seriesCount }, (_, chunk) => {
      const words = new Uint32Array(page.values(chunk).buffer)
      return {
        times: [...page.times(chunk)],
        values: Array.from({ length: words.length / 2 }, (_, i): [number, number] => [words[2 * i], words[2 * i + 1]]),
      }
    })
  })
}

const T = 1_790_000_000_000
const grid = (count: number) => Array.from({ length: count }, (_, i) => T + 10_000 * i)
const numbers = (values: readonly number[]): Series => ({ times: grid(values.length), values: values.map(bitsOf) })

const STALE: [number, number] = [2, 0x7ff00000]
const cases: [string, Series][] = [
  ['one sample', numbers([3.14])],
  ['a constant', numbers(Array(200).fill(42.5))],
  ['zero', numbers(Array(100).fill(0))],
  ['decimals', numbers(Array.from({ length: 300 }, (_, i) => Math.round(1000 * Math.sin(i)) / 100))],
  ['a counter with a reset', numbers(Array.from({ length: 300 }, (_, i) => (i % 211) * 1_234_567))],
  ['multiples of 4096', numbers(Array.from({ length: 300 }, (_, i) => 4096 * ((i * 7919) % 1_000_000)))],
  ['full doubles', numbers(Array.from({ length: 130 }, (_, i) => Math.sin(i)))],
  [
    'the largest and the least',
    numbers([Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE, 2 ** 53, -(2 ** 53), 2 ** 51, -(2 ** 51), 1e-12, 1e300]),
  ],
  ['-0 and 0', numbers([0, -0, 0, -0, 1])],
  [
    'numbers with specials among them',
    {
      times: grid(100),
      values: Array.from({ length: 100 }, (_, i) =>
        i === 50 ? STALE : i === 70 ? bitsOf(Number.NaN) : i === 80 ? bitsOf(-Infinity) : bitsOf(i / 4),
      ),
    },
  ],
  ['nothing but staleness', { times: grid(5), values: Array(5).fill(STALE) }],
  ['alternating ends of exact integers', numbers(Array.from({ length: 65 }, (_, i) => (i % 2 === 0 ? 2 ** 51 : -(2 ** 51))))],
  [
    'times off their grid',
    { times: grid(100).map((time, i) => time + ((i * 37) % 11) - 5), values: Array.from({ length: 100 }, (_, i) => bitsOf(i)) },
  ],
  ['times with a gap', { times: [...grid(70), T + 10_000_000, T + 10_010_000], values: Array.from({ length: 72 }, (_, i) => bitsOf(i)) }],
]

describe.each([
  ['fresh', false],
  ['sealed', true],
])('a %s page', (_name, compress) => {
  it.each(cases)('gives back %s, bit for bit', (_case, series) => {
    expect(read(write([series], compress))).toEqual([series])
  })

  it('gives back many series at once, in order, with their identities', () => {
    const series = cases.map(([, one]) => one)
    const pages = write(series, compress)
    expect(pages.length).toBe(1)
    expect(read(pages)).toEqual(series)
    const page = PageReader.open(pages[0].bytes, 'test')
    expect(page.identities.subarray(16 * 3, 16 * 4)).toEqual(identity(3))
    expect(page.sampleCount).toBe(series.reduce((sum, { times }) => sum + times.length, 0))
    expect([page.minTimeMs, page.maxTimeMs]).toEqual([T - 5, T + 10_010_000])
  })

  it('gives back arbitrary bits at arbitrary times', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff })
    const value = fc.oneof(
      fc.tuple(word, word),
      fc.double().map(bitsOf),
      fc.integer({ min: -1000, max: 1000 }).map((i) => bitsOf(i / 100)),
      fc.constant(STALE),
    )
    const times = fc
      .uniqueArray(fc.integer({ min: 0, max: 8_640_000_000_000 }), { minLength: 1, maxLength: 150 })
      .map((all) => all.sort((a, b) => a - b))
    const series = times.chain((all) =>
      fc.array(value, { minLength: all.length, maxLength: all.length }).map((values): Series => ({ times: all, values })),
    )
    fc.assert(
      fc.property(fc.array(series, { minLength: 1, maxLength: 5 }), (all) => {
        expect(read(write(all, compress))).toEqual(all)
      }),
    )
  })

  it('is never read wrong when a byte has changed', () => {
    const { bytes } = write([cases[3][1], cases[9][1]], compress)[0]
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = bytes.slice()
        damaged[at] ^= flip
        expect(() => PageReader.open(damaged, 'metric/7')).toThrow(CorruptionError)
        expect(() => PageReader.open(damaged, 'metric/7')).toThrow(/metric\/7/)
      }),
    )
    for (const length of [0, 10, 111, 112, bytes.length - 1])
      expect(() => PageReader.open(bytes.subarray(0, length), 'cut')).toThrow(CorruptionError)
  })
})

describe('pages', () => {
  it('share one array among series of equal times', () => {
    const [page] = write([numbers([1, 2, 3]), numbers([4, 5, 6]), { times: [T, T + 1, T + 2], values: [1, 2, 3].map(bitsOf) }], true)
    const reader = PageReader.open(page.bytes, 'test')
    expect(reader.times(1)).toBe(reader.times(0))
    expect(reader.times(2)).not.toBe(reader.times(0))
  })

  it('are cut at their target', () => {
    const series = Array.from({ length: 50 }, (_, s) => numbers(Array.from({ length: 720 }, (_, i) => (i * s * 7919) % 100_000)))
    const pages = write(series, false, 16 * 1024)
    expect(pages.length).toBeGreaterThan(2)
    for (const page of pages) expect(page.bytes.length).toBeLessThan(24 * 1024)
    expect(read(pages)).toEqual(series)
  })

  it.each([1023, 1024, 2500])('hold %i short series in one page', (count) => {
    const series = Array.from({ length: count }, (_, s) => numbers([s, s / 4]))
    const pages = write(series, false, 1024 * 1024)
    expect(pages.length).toBe(1)
    expect(read(pages)).toEqual(series)
  })

  it('take little for what is regular: a constant series of 720 samples under 60 bytes', () => {
    const many = Array.from({ length: 100 }, () => numbers(Array(720).fill(7)))
    expect(write(many, false)[0].bytes.length / 100).toBeLessThan(60)
  })
})

describe('golden pages', () => {
  const golden = new URL('../../golden/pages/', import.meta.url)
  it.each(['fresh-v1', 'sealed-v1'])('%s is read as it was written', (name) => {
    const bytes = Buffer.from(readFileSync(new URL(`${name}.hex`, golden), 'utf8').replace(/\s/g, ''), 'hex')
    expect(read([{ bytes, seriesCount: 0, sampleCount: 0, minTimeMs: 0, maxTimeMs: 0 }])).toEqual(
      JSON.parse(readFileSync(new URL('pages-v1.json', golden), 'utf8')),
    )
  })
  it('a fresh page is written as ever', () => {
    const bytes = readFileSync(new URL('fresh-v1.hex', golden), 'utf8').replace(/\s/g, '')
    expect(
      Buffer.from(write(JSON.parse(readFileSync(new URL('pages-v1.json', golden), 'utf8')) as Series[], false)[0].bytes).toString('hex'),
    ).toBe(bytes)
  })
})
