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
    const nameBytes = Buffer.byteLength(pairs[i]!)
    const valueBytes = Buffer.byteLength(pairs[i + 1]!)
    scratch[at++] = 0x0a
    at = putVarint(scratch, at, 2 + varintBytes(nameBytes) + nameBytes + varintBytes(valueBytes) + valueBytes)
    scratch[at++] = 0x0a
    at = putVarint(scratch, at, nameBytes)
    at += scratch.write(pairs[i]!, at)
    scratch[at++] = 0x12
    at = putVarint(scratch, at, valueBytes)
    at += scratch.write(pairs[i + 1]!, at)
  }
  return scratch.subarray(0, at)
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

function metricHash(metric: string): number {
  return xxhash32(Buffer.from(metric, 'utf8'))
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
