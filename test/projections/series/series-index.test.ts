import { createHash } from 'node:crypto'
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { Labels } from '../../../src/domain/labels.ts'
import type { Matcher } from '../../../src/domain/matcher.ts'
import { Control } from '../../../src/projections/series/control.ts'
import { allocateHeadMemory, type HeadMemory } from '../../../src/projections/series/head-memory.ts'
import { IndexLabelReader } from '../../../src/projections/series/label-reader.ts'
import { type MatcherLanguage, SeriesMatcher } from '../../../src/projections/series/match.ts'
import { SeriesIndex } from '../../../src/projections/series/series-index.ts'

const limits = { seriesMax: 5000, symbolsMax: 20_000, symbolBytesMax: 1 << 20, partitions: 4, readers: 2, arenaBytes: 1 << 20 }

/** JavaScript's own expressions are near enough to RE2 for these cases. */
const language: MatcherLanguage = {
  compile(matcher) {
    if (matcher.type === '=') return (value) => value === matcher.value
    if (matcher.type === '!=') return (value) => value !== matcher.value
    const regex = new RegExp(`^(?:${matcher.value})$`)
    return matcher.type === '=~' ? (value) => regex.test(value) : (value) => !regex.test(value)
  },
  literals: (regex) => (/^[a-z0-9|]*$/.test(regex) ? regex.split('|') : null),
}

function identity(labels: Labels): Uint8Array {
  return createHash('sha256').update(labels.key).digest().subarray(0, 16)
}

function setUp(): { memory: HeadMemory; writer: SeriesIndex; reader: SeriesIndex; add: (object: Record<string, string>) => number } {
  const memory = allocateHeadMemory(limits)
  const writer = new SeriesIndex(memory, new Control(memory.control))
  const reader = new SeriesIndex(memory, new Control(memory.control))
  const add = (object: Record<string, string>) => {
    const labels = Labels.fromObject(object)
    const id = writer.add(identity(labels), labels, 1)
    writer.minTimes[id] = 1
    writer.maxTimes[id] = 1000
    return id
  }
  return { memory, writer, reader, add }
}

const matcher = (name: string, type: Matcher['type'], value: string): Matcher => ({ name, type, value })

describe('the shared index', () => {
  it('shows another thread what the projector added', () => {
    const { reader, add } = setUp()
    const id = add({ __name__: 'up', job: 'ä', empty: '' })
    expect(reader.labels(id).toObject()).toEqual({ __name__: 'up', job: 'ä' })
    expect(reader.findIdentity(identity(Labels.fromObject({ __name__: 'up', job: 'ä' })))).toBe(id)
    expect(reader.findIdentity(new Uint8Array(16))).toBe(-1)
  })

  it('gives a series one id, however often it is added', () => {
    const { writer, add } = setUp()
    expect(add({ a: '1' })).toBe(add({ a: '1' }))
    expect(writer.seriesCount).toBe(1)
  })

  it('says so when it is full', () => {
    const { add } = setUp()
    expect(() => {
      for (let i = 0; i <= limits.seriesMax; i++) add({ a: `${i}` })
    }).toThrow(/index holds its 5000 series/)
  })

  it('matches like a filter over all label sets', () => {
    const value = fc.constantFrom('', 'a', 'b', 'ab', 'c1', 'c2')
    const labels = fc.record({ __name__: fc.constantFrom('m', 'n'), x: value, y: value })
    const one = fc.record({
      name: fc.constantFrom('__name__', 'x', 'y', 'z'),
      type: fc.constantFrom('=' as const, '!=' as const, '=~' as const, '!~' as const),
      value: fc.constantFrom('', 'a', 'm', 'a|b', 'c.*', '.+', '.*', 'a?'),
    })
    fc.assert(
      fc.property(fc.array(labels, { maxLength: 40 }), fc.array(one, { minLength: 1, maxLength: 4 }), (sets, matchers) => {
        const { reader, writer, add } = setUp()
        const seriesMatcher = new SeriesMatcher(reader, language)
        const half = Math.floor(sets.length / 2)
        // Once in between: what is remembered of a regular expression has to follow what comes later.
        for (const set of sets.slice(0, half)) add(set)
        seriesMatcher.match(matchers, reader.seriesCount)
        for (const set of sets.slice(half)) add(set)
        const found = [...seriesMatcher.match(matchers, reader.seriesCount)]
        const expected: number[] = []
        for (let id = 0; id < writer.seriesCount; id++) {
          if (matchers.every((m) => language.compile(m)(writer.labels(id).get(m.name)))) expected.push(id)
        }
        expect(found).toEqual(expected)
      }),
    )
  })

  it('holds long postings over many chunks', () => {
    const { reader, add } = setUp()
    for (let i = 0; i < 3000; i++) add({ __name__: 'm', i: `${i}`, parity: `${i % 2}` })
    const found = new SeriesMatcher(reader, language).match([matcher('parity', '=', '1')], reader.seriesCount)
    expect(found.length).toBe(1500)
    expect([...found.subarray(0, 3)]).toEqual([1, 3, 5])
  })

  it('answers label names and values of matching, living series only', () => {
    const { reader, writer, add } = setUp()
    add({ __name__: 'up', job: 'a', zone: 'x' })
    add({ __name__: 'up', job: 'b' })
    const old = add({ __name__: 'gone', job: 'old', only: 'then' })
    writer.maxTimes[old] = -10_000
    const clock = { nowMs: () => 1000, monotonicMs: () => 0, sleep: () => Promise.resolve() }
    const labels = new IndexLabelReader(reader, new SeriesMatcher(reader, language), clock, 5000)
    expect(labels.labelNames([], null, 100)).toEqual(['__name__', 'job', 'zone'])
    expect(labels.labelValues('job', [], null, 100)).toEqual(['a', 'b'])
    expect(labels.labelValues('job', [[matcher('zone', '=', 'x')]], null, 100)).toEqual(['a'])
    expect(labels.series([[matcher('job', '=~', '.+')], [matcher('job', '=', 'a')]], null, 100).map(String)).toEqual([
      'up{job="a", zone="x"}',
      'up{job="b"}',
    ])
    expect(labels.series([], { startMs: 1000, endMs: 2000 }, 100)).toEqual([])
    expect(labels.labelValues('job', [], null, 1)).toEqual(['a'])
  })
})

describe('fullness', () => {
  it('tells in time that the index is filling up', () => {
    const { writer, add } = setUp()
    expect(writer.fullness()).toBeLessThan(0.001)
    for (let i = 0; i < limits.seriesMax / 2; i++) add({ a: `${i}` })
    expect(writer.fullness()).toBeGreaterThanOrEqual(0.5)
    expect(writer.fullness()).toBeLessThan(1)
  })
})
