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
const RANGE_BYTES = 12
export const PARTITIONS_MAX = 256
export const HEADER_BYTES_MAX = FIXED_HEADER_BYTES + PARTITIONS_MAX * RANGE_BYTES
export const FRAME_BYTES_MAX = 2 ** 30

const FLAG_FIRST = 1
const FLAG_ZSTD = 2

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
  /** On the first frame of a segment: where the segment before it ends. What lies behind was never acknowledged. Null on others. */
  readonly previousEnd: number | null
  /**
   * By partition, the offset that its next record had before this frame: of all of them, so that each frame says what a damaged one
   * before it held.
   */
  readonly firsts: readonly number[]
  /** By partition, how many records the frame holds. */
  readonly counts: readonly number[]
}

export function padded(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGN) * FRAME_ALIGN
}

export function headerBytes(partitionCount: number): number {
  return FIXED_HEADER_BYTES + partitionCount * RANGE_BYTES
}

export function encodeHeader(header: Omit<FrameHeader, 'headerBytes' | 'frameBytes' | 'bodyCrc'>, body: Uint8Array): Buffer {
  const bytes = headerBytes(header.firsts.length)
  const frameBytes = bytes + body.length
  invariant(frameBytes <= FRAME_BYTES_MAX, 'a frame is at most 1 GiB')
  const out = Buffer.alloc(bytes)
  out.writeUInt32LE(FRAME_MAGIC, 0)
  out.writeUInt32LE(frameBytes, 8)
  out.writeUInt16LE(bytes, 12)
  out[14] = FRAME_VERSION
  out[15] = (header.previousEnd !== null ? FLAG_FIRST : 0) | (header.zstd ? FLAG_ZSTD : 0)
  out.writeUInt32LE(header.segment, 16)
  out.writeUInt32LE(header.salt, 20)
  out.writeUInt32LE(crc32(body), 24)
  out.writeUInt32LE(header.rawBytes, 28)
  out.writeDoubleLE(header.appendedMs, 32)
  out.writeUInt32LE(header.previousEnd ?? 0, 40)
  out.writeUInt16LE(header.generation, 44)
  out.writeUInt16LE(header.firsts.length, 46)
  let at = FIXED_HEADER_BYTES
  for (const [partition, first] of header.firsts.entries()) {
    out.writeUInt32LE(first % 2 ** 32, at)
    out.writeUInt32LE(Math.floor(first / 2 ** 32), at + 4)
    out.writeUInt32LE(header.counts[partition] as number, at + 8)
    at += RANGE_BYTES
  }
  out.writeUInt32LE(crc32(out.subarray(8)), 4)
  return out
}

/** Reads a header that begins at `at`. @returns null when there is no sound header; 'short' when `bytes` ends within one. */
export function decodeHeader(bytes: Buffer, at: number): FrameHeader | 'short' | null {
  if (bytes.length - at < FIXED_HEADER_BYTES) return 'short'
  if (bytes.readUInt32LE(at) !== FRAME_MAGIC || bytes[at + 14] !== FRAME_VERSION) return null
  const headerLength = bytes.readUInt16LE(at + 12)
  const flags = bytes[at + 15] as number
  const partitionCount = bytes.readUInt16LE(at + 46)
  if (partitionCount > PARTITIONS_MAX || headerLength !== headerBytes(partitionCount)) return null
  if (bytes.length - at < headerLength) return 'short'
  if (crc32(bytes.subarray(at + 8, at + headerLength)) !== bytes.readUInt32LE(at + 4)) return null
  const firsts: number[] = new Array(partitionCount)
  const counts: number[] = new Array(partitionCount)
  for (let partition = 0; partition < partitionCount; partition++) {
    const position = at + FIXED_HEADER_BYTES + partition * RANGE_BYTES
    firsts[partition] = bytes.readUInt32LE(position) + bytes.readUInt32LE(position + 4) * 2 ** 32
    counts[partition] = bytes.readUInt32LE(position + 8)
  }
  return {
    frameBytes: bytes.readUInt32LE(at + 8),
    headerBytes: headerLength,
    segment: bytes.readUInt32LE(at + 16),
    salt: bytes.readUInt32LE(at + 20),
    bodyCrc: bytes.readUInt32LE(at + 24),
    rawBytes: bytes.readUInt32LE(at + 28),
    appendedMs: bytes.readDoubleLE(at + 32),
    previousEnd: flags & FLAG_FIRST ? bytes.readUInt32LE(at + 40) : null,
    generation: bytes.readUInt16LE(at + 44),
    zstd: (flags & FLAG_ZSTD) !== 0,
    firsts,
    counts,
  }
}
