import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { decodeHeader, FRAME_ALIGN, FRAME_MAGIC, type FrameHeader, HEADER_BYTES_MAX, padded } from './frame.ts'
import type { LogFile, LogFs } from './log-fs.ts'

/** Reads come in pieces of at least this, so that a run of small frames costs one call. */
const CHUNK_BYTES = 256 * 1024
/** What a reader at the tail has not seen yet is read in one piece up to this. */
const TAIL_BYTES_MAX = 2 ** 20

const SEGMENT_NAME = /^(\d{10})\.log$/
const SPARE_NAME = /^spare-(\d+)\.free$/
const magicBytes = Buffer.from(new Uint32Array([FRAME_MAGIC]).buffer)

export function segmentPath(folder: string, segment: number): string {
  return join(folder, `${String(segment).padStart(10, '0')}.log`)
}

export function sparePath(folder: string, spare: number): string {
  return join(folder, `spare-${spare}.free`)
}

/** @returns segment numbers in order; spare files; anything else is left alone */
export async function listSegments(fs: LogFs, folder: string): Promise<{ segments: number[]; spares: number[] }> {
  const segments: number[] = []
  const spares: number[] = []
  for (const name of await fs.list(folder)) {
    const segment = SEGMENT_NAME.exec(name)
    const spare = SPARE_NAME.exec(name)
    if (segment) segments.push(Number(segment[1]))
    if (spare) spares.push(Number(spare[1]))
  }
  return { segments: segments.sort((a, b) => a - b), spares: spares.sort((a, b) => a - b) }
}

/**
 * The frames of one segment file. It knows which use of the file is meant: frames of an earlier use, under another segment number or
 * another salt, are no frames to it.
 */
export class SegmentFile {
  readonly path: string
  readonly segment: number
  readonly #file: LogFile
  #salt: number | null = null
  #buffer: Buffer = Buffer.alloc(0)
  #bufferAt = 0

  private constructor(path: string, segment: number, file: LogFile) {
    this.path = path
    this.segment = segment
    this.#file = file
  }

  static async open(fs: LogFs, folder: string, segment: number, mode: 'read' | 'write'): Promise<SegmentFile> {
    const path = segmentPath(folder, segment)
    return new SegmentFile(path, segment, await fs.open(path, mode))
  }

  get file(): LogFile {
    return this.#file
  }

  /** The header of the sound frame at `at`, or null. The body isn't looked at. Nothing at or beyond `limit` is read. */
  async header(at: number, limit: number): Promise<FrameHeader | null> {
    await this.#load(at, Math.min(HEADER_BYTES_MAX, limit - at), limit, 64)
    const header = decodeHeader(this.#buffer, at - this.#bufferAt)
    if (header === null || header === 'short') return null
    return this.#belongs(header, at, limit) ? header : null
  }

  /** The first header of the file, if it is that of this segment. Reads little. */
  async first(): Promise<FrameHeader | null> {
    const bytes = Buffer.alloc(HEADER_BYTES_MAX)
    const header = decodeHeader(bytes.subarray(0, await this.#file.read(bytes, 0)), 0)
    if (header === null || header === 'short' || header.segment !== this.segment || header.previousEnd === null) return null
    this.#salt ??= header.salt
    return header
  }

  /** The body as stored, its checksum verified; null when that doesn't match. A view, until the next call. */
  async body(header: FrameHeader, at: number, limit: number): Promise<Buffer | null> {
    await this.#load(at, header.frameBytes, limit, header.frameBytes)
    const start = at - this.#bufferAt
    const body = this.#buffer.subarray(start + header.headerBytes, start + header.frameBytes)
    return body.length === header.frameBytes - header.headerBytes && crc32(body) === header.bodyCrc ? body : null
  }

  /** After a bad frame: where the next wholly sound frame of this segment begins, at `at` or later; null if there is none. */
  async findFrame(at: number, limit: number): Promise<number | null> {
    if (at >= limit) return null
    const bytes = Buffer.alloc(limit - at)
    const rest = bytes.subarray(0, await this.#file.read(bytes, at))
    for (let found = rest.indexOf(magicBytes); found >= 0; found = rest.indexOf(magicBytes, found + 1)) {
      if ((at + found) % FRAME_ALIGN !== 0) continue
      const header = decodeHeader(rest, found)
      if (header === null || header === 'short' || !this.#belongs(header, at + found, limit)) continue
      if (crc32(rest.subarray(found + header.headerBytes, found + header.frameBytes)) === header.bodyCrc) return at + found
    }
    return null
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  #belongs(header: FrameHeader, at: number, limit: number): boolean {
    if (header.segment !== this.segment || header.frameBytes < header.headerBytes || at + header.frameBytes > limit) return false
    this.#salt ??= header.salt
    return header.salt === this.#salt
  }

  /** Sees to it that [at, at + bytes) is buffered; `least` of them are known to be wanted, so a buffer that holds those will do. */
  async #load(at: number, bytes: number, limit: number, least: number): Promise<void> {
    const end = this.#bufferAt + this.#buffer.length
    if (at >= this.#bufferAt && at + Math.min(bytes, least) <= end && (bytes <= least || this.#holdsHeader(at))) return
    const rest = limit - at
    const length = Math.min(rest, Math.max(bytes, rest <= TAIL_BYTES_MAX ? rest : CHUNK_BYTES))
    // A new buffer each time: records handed out are views of the old one.
    const buffer = Buffer.allocUnsafe(Math.max(length, 0))
    this.#buffer = buffer.subarray(0, await this.#file.read(buffer, at))
    this.#bufferAt = at
  }

  #holdsHeader(at: number): boolean {
    const start = at - this.#bufferAt
    return start + this.#buffer.readUInt16LE(start + 12) <= this.#buffer.length
  }
}

/** Where the frame after this one begins. */
export function nextFrame(at: number, header: FrameHeader): number {
  return at + padded(header.frameBytes)
}
