/** Fixed for ever: an identity or a partition that changes makes two series out of one. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { hex } from '../../src/domain/events/samples-record.ts'
import { Labels } from '../../src/domain/labels.ts'
import { labelsOfBlock } from '../../src/ingest/label-fields.ts'
import { canonicalBytes, identityOf, isCanonicalForm, metadataPartitionOf, partitionOf } from '../../src/ingest/series-identity.ts'
import { labelField } from './write-request.ts'

const up = Labels.fromObject({ __name__: 'up', instance: 'db-1:9100', job: 'node' })
const long = Labels.fromObject({ __name__: 'long', text: 'ä'.repeat(200) })

describe('the canonical bytes of a series', () => {
  it('are the label fields that a sender of sorted labels sends', () => {
    for (const labels of [up, long]) {
      expect([...canonicalBytes(labels)]).toEqual([...labels].flatMap(([name, value]) => labelField(name, value)))
      expect(isCanonicalForm(canonicalBytes(labels))).toBe(true)
    }
  })

  it('say the labels again, whatever they are', () => {
    const text = fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme' })
    fc.assert(
      fc.property(fc.dictionary(text, text, { maxKeys: 5 }), text, (rest, metric) => {
        const labels = Labels.fromObject({ ...rest, __name__: metric })
        expect(labelsOfBlock(canonicalBytes(labels).slice()).pairs).toEqual(labels.pairs)
      }),
    )
  })

  it.each([
    ['another field in a label', [10, 8, 10, 1, 97, 18, 1, 98, 24, 0]],
    ['the value before the name', [10, 6, 18, 1, 98, 10, 1, 97]],
    ['a length with a byte too many', [10, 7, 10, 0x81, 0, 97, 18, 1, 98]],
    ['a label cut short', [10, 6, 10, 1, 97, 18, 1]],
    ['no value', [10, 3, 10, 1, 97]],
    ['another field', [18, 6, 10, 1, 97, 18, 1, 98]],
  ])('do not have %s', (_, bytes) => {
    expect(isCanonicalForm(Uint8Array.from(bytes))).toBe(false)
  })
})

it('identities and partitions are what they have always been', () => {
  expect(hex(identityOf(canonicalBytes(up)))).toBe('4cf8e62431f951b25b0dd1a4946a4dde')
  const hosts = Array.from({ length: 16 }, (_, i) => Labels.fromObject({ __name__: 'cpu_usage', host: `host-${i}` }))
  expect(hosts.map((labels) => partitionOf(labels.metric, canonicalBytes(labels), 4)).join('')).toBe('0213001231031030')
  expect(hosts.map((labels) => partitionOf(labels.metric, canonicalBytes(labels), 64)).join(' ')).toBe('4 2 1 3 4 4 1 2 3 1 4 3 1 4 3 4')
  expect(metadataPartitionOf('cpu_usage', 64)).toBe(1)
})
