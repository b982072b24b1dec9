/**
 * Frozen records: what any version of Tidemark wrote, every later one must read as the same. A new version adds files; those that are
 * here are never changed.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { decodeSamplesRecord, hex, SAMPLES_RECORD_VERSION, SamplesColumns } from '../../../src/domain/events/samples-record.ts'
import { SamplesRecordEncoder } from '../../../src/domain/events/samples-record-encoder.ts'
import { Labels } from '../../../src/domain/labels.ts'
import type { MetricMetadata } from '../../../src/domain/ports/metadata-view.ts'

interface Golden {
  readonly session: string
  readonly declarations: readonly { readonly number: number; readonly identity: string; readonly labels: Record<string, string> }[]
  readonly metadata: readonly MetricMetadata[]
  /** number, time, the value's 64 bits in hexadecimal */
  readonly samples: readonly (readonly [number, number, string])[]
}

const folder = new URL('../../golden/', import.meta.url)
const names = readdirSync(folder)
  .filter((name) => /^samples-record-v\d+.*\.hex$/.test(name))
  .map((name) => name.slice(0, -4))

function load(name: string): { bytes: Uint8Array; golden: Golden } {
  const text = readFileSync(new URL(`${name}.hex`, folder), 'utf8').replaceAll(/#.*|\s/g, '')
  return { bytes: Uint8Array.from(Buffer.from(text, 'hex')), golden: JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) }
}

function read(bytes: Uint8Array): Golden {
  const columns = new SamplesColumns()
  const { session, declarations, metadata, sampleCount } = decodeSamplesRecord(bytes, columns)
  const half = (index: number) => columns.valueBits[index]!.toString(16).padStart(8, '0')
  return {
    session,
    declarations: declarations.map(({ number, identity, labels }) => ({ number, identity: hex(identity), labels: labels.toObject() })),
    metadata,
    samples: Array.from({ length: sampleCount }, (_, i) => [columns.numbers[i]!, columns.times[i]!, half(2 * i + 1) + half(2 * i)]),
  }
}

function write({ session, declarations, metadata, samples }: Golden): Uint8Array {
  const encoder = new SamplesRecordEncoder()
  encoder.begin(Buffer.from(session, 'hex'))
  for (const { number, identity, labels } of declarations) encoder.declare(number, Buffer.from(identity, 'hex'), Labels.fromObject(labels))
  for (const one of metadata) encoder.declareMetadata(one)
  const columns = new SamplesColumns()
  for (const [number, time, bits] of samples) {
    columns.push(number, time, 0)
    columns.valueBits[2 * columns.count - 1] = Number.parseInt(bits.slice(0, 8), 16)
    columns.valueBits[2 * columns.count - 2] = Number.parseInt(bits.slice(8), 16)
  }
  return encoder.finish(columns)
}

describe('frozen samples records', () => {
  it('are there for the current version', () => {
    expect(names).toContain(`samples-record-v${SAMPLES_RECORD_VERSION}`)
  })

  it.each(names)('%s is read as what it was written from', (name) => {
    const { bytes, golden } = load(name)
    expect(read(bytes)).toEqual(golden)
  })

  it.each(names.filter((name) => name.startsWith(`samples-record-v${SAMPLES_RECORD_VERSION}`)))(
    '%s is written as the same bytes',
    (name) => {
      const { bytes, golden } = load(name)
      expect(hex(write(golden))).toBe(hex(bytes))
    },
  )
})
