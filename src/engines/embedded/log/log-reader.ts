/**
 * Reading the log, in any thread:
 * 1. what is asked for but older than what is held is reported as a gap;
 * 2. the newest segment that begins at or before every wanted offset is opened, its frames stepped over by their headers;
 * 3. a frame that holds anything wanted is read whole, its checksum verified, unpacked, and yielded as one batch;
 * 4. at the durable end, wait until the writer publishes another one.
 * A segment that was let go of and used again under the reader shows itself as a bad frame: then go back to 1. Any other bad frame is
 * corruption, named with file and byte; a reader that wants nothing of what it held passes by.
 */
import { CorruptionError, EngineError } from '../../../domain/errors.ts'
import type { EventLog, LogBatch, LogRecord } from '../../../domain/ports/event-log.ts'
import type { Offset, PartitionOffsets } from '../../../domain/position.ts'
import type { FrameHeader } from './frame.ts'
import { decodeBody } from './frame-body.ts'
import { type LogFs, nodeFs } from './log-fs.ts'
import { nextFrame, SegmentFile, segmentPath } from './segment-file.ts'
import { SharedEnd } from './shared-end.ts'

/** A place of the log that can't be read. Reading from `resumeAt` passes by it: what lies before is lost. */
export class LogCorruptionError extends CorruptionError {
  readonly file: string
  readonly byte: number
  declare readonly resumeAt: PartitionOffsets

  constructor(message: string, place: { file: string; byte: number; resumeAt: PartitionOffsets }) {
    super(message, { resumeAt: place.resumeAt })
    this.file = place.file
    this.byte = place.byte
  }
}

export interface LogReaderOptions {
  /** The topic's own folder. */
  readonly folder: string
  readonly topic: string
  /** `EmbeddedLogWriter.shared`, of the writer of that folder in this process. */
  readonly shared: SharedArrayBuffer
  readonly fs?: LogFs
}

/** The segment was let go of while it was being read. */
class Trimmed extends Error {}

/** What another thread than the writer's sees of an embedded log. */
export class EmbeddedLogReader implements Pick<EventLog, 'topic' | 'partitionCount' | 'generation' | 'read' | 'starts' | 'ends' | 'close'> {
  readonly topic: string
  readonly partitionCount: number
  readonly generation: number
  readonly #folder: string
  readonly #fs: LogFs
  readonly #shared: SharedEnd

  constructor(options: LogReaderOptions) {
    this.topic = options.topic
    this.#folder = options.folder
    this.#fs = options.fs ?? nodeFs
    this.#shared = SharedEnd.attach(options.shared)
    this.partitionCount = this.#shared.partitionCount
    this.generation = this.#shared.generation
  }

  /**
   * See EventLog. A partition without an entry in `from` isn't read. @throws LogCorruptionError; EngineError `LOG_OFFSET` when an
   * offset lies beyond the log's end.
   */
  async *read(from: PartitionOffsets, signal: AbortSignal): AsyncGenerator<LogBatch, void, undefined> {
    const wanted = new Map(from)
    for (const [partition, offset] of wanted) this.#check(partition, offset)
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    while (!signal.aborted) {
      const gaps = this.#gaps(wanted)
      if (gaps.length > 0) yield { records: [], gaps }
      const end = this.#shared.end()
      if (end.segment === 0) {
        await Promise.race([this.#shared.changed(end), aborted])
        continue
      }
      try {
        yield* this.#readSegments(await this.#find(wanted), wanted, signal, aborted)
      } catch (error) {
        if (!(error instanceof Trimmed)) throw error
      }
    }
  }

  async starts(): Promise<PartitionOffsets> {
    return this.#offsets((partition) => this.#shared.start(partition))
  }

  async ends(): Promise<PartitionOffsets> {
    return this.#offsets((partition) => this.#shared.next(partition))
  }

  /** Nothing is held between reads: those end by their signals. */
  async close(): Promise<void> {}

  async *#readSegments(first: number, wanted: Map<number, Offset>, signal: AbortSignal, aborted: Promise<void>): AsyncGenerator<LogBatch> {
    for (let segment = first; !signal.aborted; segment++) {
      const file = await this.#open(segment)
      if (file === null) throw await this.#missing(segment, wanted)
      try {
        yield* this.#readSegment(file, wanted, signal, aborted)
      } finally {
        await file.close()
      }
    }
  }

  /** Ends when the segment has been read and the log goes on in the next one. */
  async *#readSegment(
    file: SegmentFile,
    wanted: Map<number, Offset>,
    signal: AbortSignal,
    aborted: Promise<void>,
  ): AsyncGenerator<LogBatch> {
    for (let at = 0; !signal.aborted; ) {
      const end = this.#shared.end()
      const over = end.segment !== file.segment
      const limit = over ? await this.#endOf(file) : end.byte
      while (at < limit && !signal.aborted) {
        const header = await file.header(at, limit)
        if (header === null) {
          at = await this.#pass(file, at, at, limit, wanted)
          continue
        }
        if (wants(header, wanted)) {
          const body = await file.body(header, at, limit)
          if (body === null) {
            at = await this.#pass(file, at, nextFrame(at, header), limit, wanted)
            continue
          }
          const records = unpack(header, body, wanted, `log ${file.path} at byte ${at}`)
          if (records === null) {
            at = await this.#pass(file, at, nextFrame(at, header), limit, wanted)
            continue
          }
          this.#advance(header, wanted, file, at)
          yield { records, gaps: [] }
        }
        at = nextFrame(at, header)
      }
      if (over) return
      if (at >= this.#shared.end().byte) await Promise.race([this.#shared.changed(end), aborted])
    }
  }

  #advance(header: FrameHeader, wanted: Map<number, Offset>, file: SegmentFile, at: number): void {
    for (const [partition, offset] of wanted) {
      const first = header.firsts[partition] as number
      const next = first + (header.counts[partition] as number)
      if (first > offset) {
        const resumeAt = new Map([...wanted].map(([other, own]) => [other, Math.max(own, header.firsts[other] as number)]))
        throw new LogCorruptionError(
          `log ${file.path} at byte ${at}: partition ${partition} goes on at offset ${first}, expected ${offset}`,
          {
            file: file.path,
            byte: at,
            resumeAt,
          },
        )
      }
      if (next > offset) wanted.set(partition, next)
    }
  }

  /** Past a bad frame, if nothing wanted was in it. @returns where reading goes on */
  async #pass(file: SegmentFile, at: number, resyncAt: number, limit: number, wanted: Map<number, Offset>): Promise<number> {
    this.#throwIfTrimmed(file.segment)
    const next = await file.findFrame(Math.max(resyncAt, at + 8), limit)
    const sound = next === null ? null : await file.header(next, limit)
    const error = await this.#lost(`log ${file.path} is damaged at byte ${at}`, file.segment, at, sound, wanted)
    if (error) throw error
    return next ?? limit
  }

  async #missing(segment: number, wanted: ReadonlyMap<number, Offset>): Promise<Error> {
    const path = segmentPath(this.#folder, segment)
    // With nothing wanted of it, nobody would have come here: a later segment would have done.
    return (await this.#lost(`log ${path} is missing`, segment, 0, null, wanted)) ?? new Trimmed()
  }

  /** The error of a bad place, with `sound` the next frame after it in its segment; null if nothing wanted was lost. */
  async #lost(
    message: string,
    segment: number,
    byte: number,
    sound: FrameHeader | null,
    wanted: ReadonlyMap<number, Offset>,
  ): Promise<LogCorruptionError | null> {
    let header = sound
    for (let next = segment + 1; header === null && next <= this.#shared.end().segment; next++) header = await this.#firstHeader(next)
    this.#throwIfTrimmed(segment)
    const held = (partition: number) => header?.firsts[partition] ?? this.#shared.next(partition)
    if ([...wanted].every(([partition, offset]) => held(partition) <= offset)) return null
    const resumeAt = new Map([...wanted].map(([partition, offset]) => [partition, Math.max(offset, held(partition))]))
    return new LogCorruptionError(message, { file: segmentPath(this.#folder, segment), byte, resumeAt })
  }

  /** The newest segment with everything from the wanted offsets on. */
  async #find(wanted: ReadonlyMap<number, Offset>): Promise<number> {
    const oldest = this.#shared.oldestSegment()
    for (let segment = this.#shared.end().segment; segment > oldest; segment--) {
      const header = await this.#firstHeader(segment)
      if (header && [...wanted].every(([partition, offset]) => (header.firsts[partition] as number) <= offset)) return segment
    }
    return oldest
  }

  /** Where a segment that the log has left ends; its file's end if the next one doesn't say. */
  async #endOf(file: SegmentFile): Promise<number> {
    const next = await this.#firstHeader(file.segment + 1)
    if (next) return next.previousEnd as number
    const size = await file.file.size()
    let at = 0
    for (let header = await file.header(at, size); header !== null; header = await file.header(at, size)) at = nextFrame(at, header)
    return at
  }

  /** Null when it is damaged, or the file is missing. */
  async #firstHeader(segment: number): Promise<FrameHeader | null> {
    const file = await this.#open(segment)
    if (file === null) return null
    try {
      const header = await file.first()
      if (header === null) this.#throwIfTrimmed(segment)
      return header
    } finally {
      await file.close()
    }
  }

  /** Null when the file should be there and is not. */
  async #open(segment: number): Promise<SegmentFile | null> {
    this.#throwIfTrimmed(segment)
    try {
      return await SegmentFile.open(this.#fs, this.#folder, segment, 'read')
    } catch (cause) {
      this.#throwIfTrimmed(segment)
      if (typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT') return null
      throw new EngineError('LOG_UNREADABLE', `log ${this.#folder}: can't open segment ${segment}`, { retryable: true, cause })
    }
  }

  #throwIfTrimmed(segment: number): void {
    if (segment < this.#shared.oldestSegment()) throw new Trimmed()
  }

  #gaps(wanted: Map<number, Offset>): LogBatch['gaps'] {
    const gaps: { partition: number; from: Offset; to: Offset }[] = []
    for (const [partition, from] of wanted) {
      const to = this.#shared.start(partition)
      if (to <= from) continue
      gaps.push({ partition, from, to })
      wanted.set(partition, to)
    }
    return gaps
  }

  #check(partition: number, offset: Offset): void {
    if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitionCount) {
      throw new EngineError('LOG_PARTITION', `${this.topic} has partitions 0 to ${this.partitionCount - 1}, not ${partition}`, {
        retryable: false,
      })
    }
    const end = this.#shared.next(partition)
    if (offset > end) {
      throw new EngineError('LOG_OFFSET', `partition ${partition} of ${this.topic} ends at offset ${end}, asked for ${offset}`, {
        retryable: false,
      })
    }
  }

  #offsets(of: (partition: number) => Offset): PartitionOffsets {
    return new Map(Array.from({ length: this.partitionCount }, (_, partition) => [partition, of(partition)]))
  }
}

function wants(header: FrameHeader, wanted: ReadonlyMap<number, Offset>): boolean {
  for (const [partition, offset] of wanted) {
    const count = header.counts[partition] as number
    if (count > 0 && (header.firsts[partition] as number) + count > offset) return true
  }
  return false
}

/** @returns null when the body is no frame's, though its checksum is right */
function unpack(header: FrameHeader, body: Buffer, wanted: ReadonlyMap<number, Offset>, place: string): LogRecord[] | null {
  try {
    return decodeBody(header, body, wanted, place)
  } catch (error) {
    if (error instanceof CorruptionError) return null
    throw error
  }
}
