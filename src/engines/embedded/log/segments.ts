/**
 * The segment files of a topic as the writer keeps them: which there are, what a restart finds in the last one, and the making and
 * reusing of files. A file's life: spare (zeros, or what an earlier use left) -> segment -> spare or removed.
 */
import { randomInt } from 'node:crypto'
import { EngineError } from '../../../domain/errors.ts'
import type { FrameHeader } from './frame.ts'
import type { LogFile, LogFs } from './log-fs.ts'
import { listSegments, nextFrame, SegmentFile, segmentPath, sparePath } from './segment-file.ts'

const ZEROS = Buffer.alloc(2 ** 20)

/** A segment whose writing is over. */
export interface HeldSegment {
  readonly segment: number
  /** By partition, the offset with which it begins; null when its first frame is damaged. */
  readonly firsts: readonly number[] | null
  readonly bytes: number
}

/** The segment that is written. */
export interface ActiveSegment {
  readonly segment: number
  readonly file: LogFile
  readonly salt: number
  /** By partition, the offset with which it begins; null when its first frame is damaged. */
  readonly firsts: readonly number[] | null
  /** Where the segment before it ends. */
  readonly previousEnd: number
  /** Nothing at or beyond it was acknowledged. */
  end: number
  bytes: number
}

/** What opening found wrong; told, not thrown: the rest of the log is sound. */
export interface OpenFinding {
  readonly kind: 'torn-tail' | 'damaged' | 'missing'
  readonly file: string
  readonly byte: number
}

export interface Opened {
  readonly held: HeldSegment[]
  readonly active: ActiveSegment | null
  readonly next: number[]
  readonly findings: OpenFinding[]
}

export interface SegmentOptions {
  readonly fs: LogFs
  readonly folder: string
  readonly topic: string
  readonly partitionCount: number
  readonly generation: number
  readonly segmentBytes: number
  readonly sparesMax: number
}

export class Segments {
  readonly #options: SegmentOptions
  #spares: number[] = []
  #spareNames = 0
  #preparing: Promise<void> | null = null

  constructor(options: SegmentOptions) {
    this.#options = options
  }

  get spares(): number {
    return this.#spares.length
  }

  /** Reads what is there, cuts a torn tail, and makes sure that what is left is on disk. */
  async open(): Promise<Opened> {
    const { fs, folder, partitionCount } = this.#options
    await fs.mkdir(folder)
    const found = await listSegments(fs, folder)
    this.#spares = found.spares
    this.#spareNames = (found.spares.at(-1) ?? 0) + 1
    const findings: OpenFinding[] = []
    const numbers = found.segments
    let last: LastSegment | null = null
    for (; numbers.length > 0 && last === null; numbers.pop()) {
      last = await this.#openLast(numbers.at(-1) as number, findings)
      // Made ready, but nothing whole was ever written to it.
      if (last === null) await this.release(numbers.at(-1) as number, this.#options.segmentBytes)
    }
    const held = await Promise.all(numbers.map((segment) => this.#held(segment)))
    for (const { segment, firsts } of held) {
      if (firsts === null) findings.push({ kind: 'damaged', file: segmentPath(folder, segment), byte: 0 })
    }
    const all = [...numbers, ...(last ? [last.active.segment] : [])]
    for (let segment = all[0] ?? 0; segment < (all.at(-1) ?? 0); segment++) {
      if (!all.includes(segment)) findings.push({ kind: 'missing', file: segmentPath(folder, segment), byte: 0 })
    }
    await fs.syncFolder(folder)
    return { held, active: last?.active ?? null, next: last?.next ?? new Array(partitionCount).fill(0), findings }
  }

  /** A file for the segment, durably there under its name. Takes a spare, or makes one. */
  async create(segment: number, begins: { firsts: readonly number[]; previousEnd: number }): Promise<ActiveSegment> {
    const { fs, folder } = this.#options
    if (this.#spares.length === 0) await this.prepareSpare()
    const spare = this.#spares.shift()
    if (spare === undefined) throw new EngineError('LOG_UNWRITABLE', `log ${folder}: no file to write to`, { retryable: true })
    const path = segmentPath(folder, segment)
    try {
      await fs.rename(sparePath(folder, spare), path)
    } catch (error) {
      this.#spares.unshift(spare)
      throw error
    }
    await fs.syncFolder(folder)
    const file = await fs.open(path, 'write')
    return { segment, file, salt: randomInt(2 ** 32), ...begins, end: 0, bytes: await file.size() }
  }

  /** Has at least one spare ready when it resolves. Written with zeros: a file with holes costs a journal entry at each commit. */
  prepareSpare(): Promise<void> {
    if (this.#spares.length > 0) return Promise.resolve()
    this.#preparing ??= this.#makeSpare().finally(() => {
      this.#preparing = null
    })
    return this.#preparing
  }

  /** Lets a segment's file go: to the spares, or away. */
  async release(segment: number, bytes: number): Promise<void> {
    const { fs, folder, segmentBytes, sparesMax } = this.#options
    const path = segmentPath(folder, segment)
    if (bytes !== segmentBytes || this.#spares.length >= sparesMax) return fs.remove(path)
    const spare = this.#spareNames++
    await fs.rename(path, sparePath(folder, spare))
    this.#spares.push(spare)
  }

  /** Waits for a spare that is being made. */
  async prepared(): Promise<void> {
    await this.#preparing?.catch(() => {})
  }

  async #makeSpare(): Promise<void> {
    const { fs, folder, segmentBytes } = this.#options
    const spare = this.#spareNames++
    const path = sparePath(folder, spare)
    const file = await fs.open(path, 'create')
    try {
      for (let at = 0; at < segmentBytes; at += ZEROS.length) {
        await file.write([ZEROS.subarray(0, Math.min(ZEROS.length, segmentBytes - at))], at)
      }
      await file.datasync()
    } catch (error) {
      await file.close().catch(() => {})
      // A part of a file is worth nothing, least of all on a full disk.
      await fs.remove(path).catch(() => {})
      throw error
    }
    await file.close()
    this.#spares.push(spare)
  }

  async #held(segment: number): Promise<HeldSegment> {
    const file = await SegmentFile.open(this.#options.fs, this.#options.folder, segment, 'read')
    try {
      const header = await file.first()
      if (header) this.#checkTopic(header)
      return { segment, firsts: header?.firsts ?? null, bytes: await file.file.size() }
    } finally {
      await file.close()
    }
  }

  /** @returns null when the file holds no sound frame of this segment */
  async #openLast(segment: number, findings: OpenFinding[]): Promise<LastSegment | null> {
    const file = await SegmentFile.open(this.#options.fs, this.#options.folder, segment, 'write')
    let last: LastSegment | null = null
    try {
      last = await this.#scanLast(file, findings)
    } finally {
      if (last === null) await file.close()
    }
    return last
  }

  async #scanLast(file: SegmentFile, findings: OpenFinding[]): Promise<LastSegment | null> {
    const size = await file.file.size()
    let next: number[] = []
    let first: FrameHeader | null = null
    let last = { at: 0, bytes: 0 }
    let end = 0
    for (let at = 0; at < size; ) {
      const header = await file.header(at, size)
      const sound = header !== null && (await file.body(header, at, size)) !== null
      if (sound) {
        this.#checkTopic(header)
        first ??= header
        next = header.firsts.map((offset, partition) => offset + (header.counts[partition] as number))
        last = { at, bytes: header.frameBytes }
        at = end = nextFrame(at, header)
        continue
      }
      const resumed = await file.findFrame(at + 8, size)
      if (resumed === null) {
        if (header !== null) findings.push({ kind: 'torn-tail', file: file.path, byte: at })
        break
      }
      findings.push({ kind: 'damaged', file: file.path, byte: at })
      at = resumed
    }
    if (first === null) return null
    await rewrite(file.file, last)
    const { salt, previousEnd } = first
    const firsts = previousEnd === null ? null : first.firsts
    return { active: { segment: file.segment, file: file.file, salt, firsts, previousEnd: previousEnd ?? 0, end, bytes: size }, next }
  }

  #checkTopic(header: FrameHeader): void {
    const { topic, partitionCount, generation } = this.#options
    if (header.firsts.length === partitionCount && header.generation === generation) return
    throw new EngineError(
      'LOG_GENERATION',
      `log of ${topic} has generation ${header.generation} with ${header.firsts.length} partitions, expected ${generation} with ${partitionCount}`,
      { retryable: false },
    )
  }
}

interface LastSegment {
  readonly active: ActiveSegment
  readonly next: number[]
}

/**
 * A process that was killed between write and sync, or whose sync failed, may have left its last frame in the page cache alone. It will
 * be read from now on, so it must be on disk: written once more, with the very same bytes, then synced.
 */
async function rewrite(file: LogFile, frame: { at: number; bytes: number }): Promise<void> {
  const bytes = Buffer.alloc(frame.bytes)
  await file.read(bytes, frame.at)
  await file.write([bytes], frame.at)
  await file.datasync()
}
