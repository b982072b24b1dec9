/**
 * The canonical bytes of a series, its identity and its partition. The canonical bytes are the label fields of a Prometheus remote-write
 * TimeSeries, sorted by name: of each label `0a <length> 0a <length> <name> 12 <length> <value>`, lengths as varints. Every string has its
 * length before it, so two different label sets never have the same bytes; and a sender that sorts its labels sends just these bytes.
 */
import { hash } from 'node:crypto'
import { IDENTITY_BYTES } from '../domain/events/samples-record.ts'
import { SAMPLES_SPREAD } from '../domain/events/topics.ts'
import type { Labels } from '../domain/labels.ts'
import { xxhash32 } from '../kernels/xxhash32.ts'

let scratch = Buffer.allocUnsafeSlow(4096)

/** The canonical bytes, valid until the next call. */
export function canonicalBytes(labels: Labels): Uint8Array {
  const pairs = labels.pairs
  let most = 0
  for (const text of pairs) most += 3 * text.length + 12
  if (most > scratch.length) scratch = Buffer.allocUnsafeSlow(2 * most)
  let at = 0
  for (let i = 0; i < pairs.length; i += 2) {
    const nameBytes = Buffer.byteLength(pairs[i])
    const valueBytes = Buffer.byteLength(pairs[i + 1])
    scratch[at++] = 0x0a
    at = putVarint(scratch, at, 2 + varintBytes(nameBytes) + nameBytes + varintBytes(valueBytes) + valueBytes)
    scratch[at++] = 0x0a
    at = putVarint(scratch, at, nameBytes)
    at += scratch.write(pairs[i], at)
    scratch[at++] = 0x12
    at = putVarint(scratch, at, valueBytes)
    at += scratch.write(pairs[i + 1], at)
  }
  return scratch.subarray(0, at)
}

/**
 * Whether a block of label fields, whose labels are known to be sorted, unique and not empty, is canonical as it is: no other field, no
 * field twice or in another order, no length written longer than need be.
 */
export function isCanonicalForm(block: Uint8Array): boolean {
  let at = 0
  const length = () => {
    let value = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = block[at++]
      value |= (byte & 127) << shift
      if (byte < 128) return byte === 0 && shift > 0 ? -1 : value
    }
    return -1
  }
  while (at < block.length) {
    if (block[at++] !== 0x0a) return false
    const labelLength = length()
    const labelEnd = at + labelLength
    if (labelLength < 0 || block[at++] !== 0x0a) return false
    const nameLength = length()
    at += nameLength
    if (nameLength < 0 || block[at++] !== 0x12) return false
    const valueLength = length()
    at += valueLength
    if (valueLength < 0 || at !== labelEnd) return false
  }
  return at === block.length
}

/** 128 bits of SHA-256. */
export function identityOf(canonical: Uint8Array): Uint8Array {
  return hash('sha256', canonical, 'buffer').subarray(0, IDENTITY_BYTES)
}

/** (hash(metric) + hash(labels) mod S) mod P: a series has one partition, a metric stands in S of them. */
export function partitionOf(metric: string, canonical: Uint8Array, partitionCount: number): number {
  return (metricHash(metric) + (xxhash32(canonical) % SAMPLES_SPREAD)) % partitionCount
}

/** Where a metric's metadata goes. */
export function metadataPartitionOf(metric: string, partitionCount: number): number {
  return metricHash(metric) % partitionCount
}

const METRIC_HASHES_MAX = 10_000
const metricHashes = new Map<string, number>()

function metricHash(metric: string): number {
  let hash = metricHashes.get(metric)
  if (hash === undefined) {
    hash = xxhash32(Buffer.from(metric, 'utf8'))
    if (metricHashes.size >= METRIC_HASHES_MAX) metricHashes.clear()
    metricHashes.set(metric, hash)
  }
  return hash
}

function varintBytes(value: number): number {
  return value < 128 ? 1 : value < 16384 ? 2 : value < 2097152 ? 3 : 4
}

function putVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128
  bytes[at++] = rest
  return at
}
