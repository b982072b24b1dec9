/**
 * One frame: the commit group as it lies in a segment file, byte by byte in docs/formats/log-segment.md. All numbers are little-endian.
 * The header has a checksum of its own, so that a reader can step over a frame without reading its body.
 */
import { crc32 } from 'node:zlib'
import { invariant } from '../../../stdx/invariant.ts'

export const FRAME_MAGIC = 0x464c_4d54 // "TMLF"
export const FRAME_VERSION = 1
/** Frames begin at multiples of this. */
export const FRAME_ALIGN = 8
export const FIXED_HEADER_BYTES = 48
const RANGE_BYTES = 16
export const PARTITIONS_MAX = 1024
export const HEADER_BYTES_MAX = FIXED_HEADER_BYTES + PARTITIONS_MAX * (RANGE_BYTES + 8) + 8
export const FRAME_BYTES_MAX = 2 ** 30

const FLAG_FIRST = 1
const FLAG_ZSTD = 2

/** Records [first, first + count) of one partition. */
export interface FrameRange {
  readonly partition: number
  readonly first: number
  readonly count: number
}

/** What the first frame of a segment says beside its own records. */
export interface SegmentBase {
  /** Where the segment before this one ends: what lies behind was never acknowledged. */
  readonly previousEnd: number
  /** By partition, the offset that its next record had when the segment began. */
  readonly offsets: readonly number[]
}

export interface FrameHeader {
  /** Header and body, without the padding. */
  readonly frameBytes: number
  readonly headerBytes: number
  readonly segment: number
  /** Chance, drawn anew for each use of a file: with `segment` it tells this use's frames from those of earlier ones. */
  readonly salt: number
  readonly generation: number
  readonly bodyCrc: number
  readonly appendedMs: number
  /** Of the body before compression. */
  readonly rawBytes: number
  readonly zstd: boolean
  readonly partitionCount: number
  readonly ranges: readonly FrameRange[]
  /** On the first frame of a segment only. */
  readonly base: SegmentBase | null
}

export function padded(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGN) * FRAME_ALIGN
}

export function headerBytes(ranges: number, partitionCount: number, first: boolean): number {
  return FIXED_HEADER_BYTES + ranges * RANGE_BYTES + (first ? 8 + 8 * partitionCount : 0)
}

export function encodeHeader(header: Omit<FrameHeader, 'headerBytes' | 'frameBytes' | 'bodyCrc'>, body: Uint8Array): Buffer {
  const bytes = headerBytes(header.ranges.length, header.partitionCount, header.base !== null)
  const frameBytes = bytes + body.length
  invariant(frameBytes <= FRAME_BYTES_MAX, 'a frame is at most 1 GiB')
  const out = Buffer.alloc(bytes)
  out.writeUInt32LE(FRAME_MAGIC, 0)
  out.writeUInt32LE(frameBytes, 8)
  out.writeUInt16LE(bytes, 12)
  out[14] = FRAME_VERSION
  out[15] = (header.base ? FLAG_FIRST : 0) | (header.zstd ? FLAG_ZSTD : 0)
  out.writeUInt32LE(header.segment, 16)
  out.writeUInt32LE(header.salt, 20)
  out.writeUInt32LE(header.generation, 24)
  out.writeUInt32LE(crc32(body), 28)
  out.writeDoubleLE(header.appendedMs, 32)
  out.writeUInt32LE(header.rawBytes, 40)
  out.writeUInt16LE(header.ranges.length, 44)
  out.writeUInt16LE(header.partitionCount, 46)
  let at = FIXED_HEADER_BYTES
  for (const range of header.ranges) {
    out.writeUInt32LE(range.partition, at)
    out.writeUInt32LE(range.count, at + 4)
    writeOffset(out, range.first, at + 8)
    at += RANGE_BYTES
  }
  if (header.base) {
    out.writeUInt32LE(header.base.previousEnd, at)
    at += 8
    for (const offset of header.base.offsets) at = writeOffset(out, offset, at)
  }
  out.writeUInt32LE(crc32(out.subarray(8)), 4)
  return out
}

/**
 * Reads a header that begins at `at`. @returns null when there is no sound header; 'short' when `bytes` ends within one.
 */
export function decodeHeader(bytes: Buffer, at: number): FrameHeader | 'short' | null {
  if (bytes.length - at < FIXED_HEADER_BYTES) return 'short'
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC || bytes[at + 14] !== FRAME_VERSION) return null
  const headerLength = bytes.readUInt16LE(at + 12)
  const flags = bytes[at + 15] as number
  const rangeCount = bytes.readUInt16LE(at + 44)
  const partitionCount = bytes.readUInt16LE(at + 46)
  if (rangeCount > PARTITIONS_MAX || partitionCount > PARTITIONS_MAX) return null
  if (headerLength !== headerBytes(rangeCount, partitionCount, (flags & FLAG_FIRST) !== 0)) return null
  if (bytes.length - at < headerLength) return 'short'
  if (crc32(bytes.subarray(at + 8, at + headerLength)) !== bytes.readUInt32LE(at + 4)) return null
  const ranges: FrameRange[] = []
  let position = at + FIXED_HEADER_BYTES
  for (let i = 0; i < rangeCount; i++, position += RANGE_BYTES) {
    ranges.push({
      partition: bytes.readUInt32LE(position),
      count: bytes.readUInt32LE(position + 4),
      first: readOffset(bytes, position + 8),
    })
  }
  let base: SegmentBase | null = null
  if (flags & FLAG_FIRST) {
    const offsets: number[] = []
    for (let i = 0; i < partitionCount; i++) offsets.push(readOffset(bytes, position + 8 + 8 * i))
    base = { previousEnd: bytes.readUInt32LE(position), offsets }
  }
  return {
    frameBytes: bytes.readUInt32LE(at + 8),
    headerBytes: headerLength,
    segment: bytes.readUInt32LE(at + 16),
    salt: bytes.readUInt32LE(at + 20),
    generation: bytes.readUInt32LE(at + 24),
    bodyCrc: bytes.readUInt32LE(at + 28),
    appendedMs: bytes.readDoubleLE(at + 32),
    rawBytes: bytes.readUInt32LE(at + 40),
    zstd: (flags & FLAG_ZSTD) !== 0,
    partitionCount,
    ranges,
    base,
  }
}

function writeOffset(out: Buffer, offset: number, at: number): number {
  out.writeUInt32LE(offset % 2 ** 32, at)
  return out.writeUInt32LE(Math.floor(offset / 2 ** 32), at + 4)
}

function readOffset(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}
