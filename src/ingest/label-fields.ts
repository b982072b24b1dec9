import { Labels } from '../domain/labels.ts'
import { invariant } from '../stdx/invariant.ts'
import { checkLabels } from './label-rules.ts'
import { ProtoReader, WIRE_BYTES } from './proto-reader.ts'

const unlimited = {
  labelsPerSeriesMax: Number.MAX_SAFE_INTEGER,
  labelNameBytesMax: Number.MAX_SAFE_INTEGER,
  labelValueBytesMax: Number.MAX_SAFE_INTEGER,
}

/**
 * Reads the Label message that the reader stands at, up to `end`, and adds its name and value to `pairs`.
 * @returns false if one of them is not UTF-8
 */
export function readLabel(reader: ProtoReader, pairs: string[]): boolean {
  const outer = reader.end
  const end = reader.length()
  reader.end = end
  let name: string | null = ''
  let value: string | null = ''
  while (reader.next()) {
    if (reader.field === 1) {
      reader.expect(WIRE_BYTES, 'the name of a label')
      name = reader.text()
    } else if (reader.field === 2) {
      reader.expect(WIRE_BYTES, 'the value of a label')
      value = reader.text()
    } else reader.skip()
  }
  reader.end = outer
  if (name === null || value === null) {
    // Shown to people, with a replacement character where it is not UTF-8.
    pairs.push(name ?? '\ufffd', value ?? '\ufffd')
    return false
  }
  pairs.push(name, value)
  return true
}

/** The labels that a block of label fields says, which was checked when it was first seen. */
export function labelsOfBlock(block: Uint8Array): Labels {
  const reader = new ProtoReader(block, 0, block.length, 'stored labels')
  const pairs: string[] = []
  while (reader.next()) readLabel(reader, pairs)
  const labels = checkLabels(pairs, unlimited)
  invariant(labels instanceof Labels, 'stored labels are valid')
  return labels
}
