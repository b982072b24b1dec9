import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { CorruptionError } from '../../../src/domain/errors.ts'
import { SamplesColumns } from '../../../src/domain/events/samples-columns.ts'
import { decodeSamplesRecord } from '../../../src/domain/events/samples-record.ts'
import { SamplesRecordEncoder } from '../../../src/domain/events/samples-record-encoder.ts'
import { Labels } from '../../../src/domain/labels.ts'
import type { MetricMetadata } from '../../../src/domain/ports/metadata-view.ts'

const session = Uint8Array.from({ length: 16 }, (_, i) => i * 17)
const identityOf = (fill: number) => new Uint8Array(16).fill(fill)

interface Written {
  number: number
  time: number
  /** low, high */
  bits: readonly [number, number]
}

function columnsOf(samples: readonly Written[]): SamplesColumns {
  const columns = new SamplesColumns(1)
  for (const { number, time, bits } of samples) {
    columns.push(number, time, 0)
    columns.valueBits[2 * columns.count - 2] = bits[0]
    columns.valueBits[2 * columns.count - 1] = bits[1]
  }
  return columns
}

function samplesOf(columns: SamplesColumns): Written[] {
  return Array.from({ length: columns.count }, (_, i) => ({
    number: columns.numbers[i]!,
    time: columns.times[i]!,
    bits: [columns.valueBits[2 * i]!, columns.valueBits[2 * i + 1]!] as const,
  }))
}

function bitsOf(value: number): readonly [number, number] {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value, true)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

function encode(samples: readonly Written[], declare?: (encoder: SamplesRecordEncoder) => void): Uint8Array {
  const encoder = new SamplesRecordEncoder()
  encoder.begin(session)
  declare?.(encoder)
  return encoder.finish(columnsOf(samples))
}

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const anyBits = fc.oneof(
  fc.double().map(bitsOf),
  fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => bitsOf(n / 100)),
  fc.tuple(fc.maxSafeInteger(), fc.integer({ min: 0, max: 16 })).map(([n, scale]) => bitsOf(n / 10 ** scale)),
  fc.tuple(u32, u32),
  fc.constantFrom<readonly [number, number]>(
    [0x00000002, 0x7ff00000],
    [0, 0x7ff80000],
    [0xdeadbeef, 0xfff12345],
    [0, 0x80000000],
    [0, 0x7ff00000],
    [0, 0xfff00000],
    [1, 0],
  ),
)
const sample = fc.record({
  number: fc.oneof(fc.integer({ min: 0, max: 50 }), u32),
  time: fc.oneof(fc.constant(1_700_000_000_000), fc.integer({ min: -(2 ** 51), max: 2 ** 51 })),
  bits: anyBits,
})
const labels = fc
  .dictionary(fc.string({ minLength: 1, unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), { maxKeys: 6 })
  .map(Labels.fromObject)

describe('a samples record', () => {
  it('gives back every number, time and value bit for bit', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
        const into = new SamplesColumns(1)
        const record = decodeSamplesRecord(encode(samples), into)
        expect(record).toEqual({ session: '00112233445566778899aabbccddeeff', declarations: [], metadata: [], sampleCount: samples.length })
        expect(samplesOf(into)).toEqual(samples)
      }),
      { numRuns: 400 },
    )
  })

  it('gives back declarations and metadata', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 200 })
    const metadata: fc.Arbitrary<MetricMetadata> = fc.record({
      metric: text,
      type: fc.constantFrom('counter', 'gauge', 'histogram', 'gaugehistogram', 'summary', 'info', 'stateset', 'unknown'),
      help: text,
      unit: text,
    })
    fc.assert(
      fc.property(fc.array(fc.tuple(u32, labels)), fc.array(metadata, { maxLength: 5 }), (declared, said) => {
        const payload = encode([], (encoder) => {
          for (const [number, of] of declared) encoder.declare(number, identityOf(number & 255), of)
          for (const one of said) encoder.declareMetadata(one)
        })
        const record = decodeSamplesRecord(payload, new SamplesColumns())
        expect(record.metadata).toEqual(said)
        expect(record.declarations.map((d) => [d.number, d.identity, d.labels.pairs])).toEqual(
          declared.map(([number, of]) => [number, identityOf(number & 255), of.pairs]),
        )
      }),
    )
  })

  it('takes at most 6 bytes a sample for the values of a fleet of hosts', () => {
    const samples = Array.from({ length: 10_000 }, (_, i) => ({
      number: i,
      time: 1_700_000_000_000,
      bits: bitsOf([((i * 37) % 10_000) / 100, i * 4096 * 1000, (i * 7919) % 5000, i * 123_457][i % 4]!),
    }))
    const payload = encode(samples)
    expect(payload.length / samples.length).toBeLessThan(6)
    const constant = encode(samples.map((s) => ({ ...s, bits: bitsOf(0) })))
    expect(constant.length / samples.length).toBeLessThan(1.01)
  })

  it('reuses columns that held more before', () => {
    const into = new SamplesColumns(1)
    decodeSamplesRecord(encode(Array.from({ length: 100 }, (_, i) => ({ number: i, time: i, bits: bitsOf(i) }))), into)
    decodeSamplesRecord(encode([{ number: 7, time: 8, bits: bitsOf(9) }]), into)
    expect(samplesOf(into)).toEqual([{ number: 7, time: 8, bits: bitsOf(9) }])
  })

  it('reads a payload that lies anywhere in its memory', () => {
    const payload = encode([{ number: 7, time: 8, bits: bitsOf(9.25) }])
    const shifted = new Uint8Array(payload.length + 3)
    shifted.set(payload, 3)
    const into = new SamplesColumns()
    decodeSamplesRecord(shifted.subarray(3), into)
    expect(into.values[0]).toBe(9.25)
  })
})

describe('a damaged samples record', () => {
  const whole = encode(
    Array.from({ length: 20 }, (_, i) => ({ number: i * 3, time: 1_700_000_000_000 + i, bits: bitsOf(i / 8) })),
    (encoder) => {
      encoder.declare(0, identityOf(1), Labels.fromObject({ __name__: 'up', job: 'a' }))
      encoder.declareMetadata({ metric: 'up', type: 'gauge', help: 'h', unit: '' })
    },
  )

  it('is refused wherever it is cut, and named by its byte', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSamplesRecord(whole.subarray(0, length), new SamplesColumns())).toThrow(CorruptionError)
      expect(() => decodeSamplesRecord(whole.subarray(0, length), new SamplesColumns())).toThrow(/at byte \d+$/)
    }
  })

  it('is refused when something follows it', () => {
    expect(() => decodeSamplesRecord(Uint8Array.from([...whole, 0]), new SamplesColumns())).toThrow(CorruptionError)
  })

  it('never fails with anything else, whatever the bytes', () => {
    const outcome = (bytes: Uint8Array) => {
      try {
        decodeSamplesRecord(bytes, new SamplesColumns())
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error
      }
    }
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = whole.slice()
        for (const [at, byte] of changes) if (at !== 3) bytes[at] = byte
        outcome(bytes)
      }),
      { numRuns: 2000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (tail) => {
        outcome(Uint8Array.from([...whole.subarray(0, 20), ...tail]))
      }),
      { numRuns: 1000 },
    )
  })

  it('is told apart from one that a newer version wrote', () => {
    const newer = whole.slice()
    newer[3] = 2
    expect(() => decodeSamplesRecord(newer, new SamplesColumns())).toThrow(
      'samples record has schema version 2, this Tidemark knows up to 1',
    )
  })

  it('does not allocate what it only promises', () => {
    const head = whole.subarray(0, 20)
    const promises = Uint8Array.from([...head, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0])
    const into = new SamplesColumns(1)
    expect(() => decodeSamplesRecord(promises, into)).toThrow(CorruptionError)
    expect(into.numbers.length).toBe(1)
  })
})
