/**
 * The embedded event log: one topic's records, in segment files that are written ahead of need and used again.
 * 1. `append` puts its records in line and wakes the writer;
 * 2. the writer takes everything in line as one commit group, lays it out and compresses it;
 * 3. the group goes to disk as one frame, one write and one fdatasync, while the next group gathers;
 * 4. only then are offsets counted on, the new end published to readers, and the appends resolved.
 * One frame is in flight at a time. So after a crash at most the last frame is not whole, and it was never acknowledged; and after a
 * failed write the next frame goes to the same place, over whatever part of the failed one is there.
 */
import { EngineError } from '../../../domain/errors.ts'
import type { Clock } from '../../../domain/ports/clock.ts'
import type { EventLog, LogBatch, RecordToAppend } from '../../../domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../domain/position.ts'
import { invariant } from '../../../stdx/invariant.ts'
import { encodeHeader, headerBytes, PARTITIONS_MAX, padded } from './frame.ts'
import { compressBody, encodeBody, rawBytesBound } from './frame-body.ts'
import { type LogFs, nodeFs } from './log-fs.ts'
import { EmbeddedLogReader } from './log-reader.ts'
import { type ActiveSegment, type HeldSegment, type Opened, type OpenFinding, Segments } from './segments.ts'
import { SharedEnd } from './shared-end.ts'

export interface LogWriterOptions {
  /** The topic's own folder, used by this writer alone; made if absent. */
  readonly folder: string
  readonly topic: string
  /** Fixed for a generation, at most 256. */
  readonly partitionCount: number
  readonly generation?: number
  readonly clock: Pick<Clock, 'nowMs'>
  readonly fs?: LogFs
  /** 16 MiB when left out. */
  readonly segmentBytes?: number
  /** What may wait or be in flight, before appends are refused. 256 MiB when left out. */
  readonly bytesInFlightMax?: number
  /** A group takes no more appends once it holds this. 8 MiB when left out. */
  readonly groupBytesMax?: number
  /** Let-go segments kept for use again. 2 when left out. */
  readonly sparesMax?: number
}

export interface LogStats {
  readonly segments: number
  readonly spares: number
  /** Of all files, spares left out. */
  readonly bytes: number
  readonly bytesInFlight: number
  /** Since it was opened. */
  readonly commits: number
  readonly rawBytesWritten: number
  readonly bytesWritten: number
  readonly partitions: readonly { readonly partition: number; readonly start: number; readonly end: number }[]
}

interface Waiting {
  readonly records: readonly RecordToAppend[]
  readonly bytes: number
  readonly resolve: (offsets: PartitionOffsets) => void
  readonly reject: (error: EngineError) => void
}

const LARGEST_SEGMENT_BYTES = 2 ** 31

/** Written by one thread; other threads read by `EmbeddedLogReader` over `shared`. */
export class EmbeddedLogWriter implements EventLog {
  readonly topic: string
  readonly partitionCount: number
  readonly generation: number
  /** What a reader in another thread is opened with. */
  readonly shared: SharedArrayBuffer
  /** What opening found wrong with the files. */
  readonly findings: readonly OpenFinding[]

  readonly #options: Required<LogWriterOptions>
  readonly #segments: Segments
  readonly #end: SharedEnd
  readonly #reader: EmbeddedLogReader
  #held: HeldSegment[]
  #active: ActiveSegment | null
  /** Created, and perhaps written to in vain; it becomes the active one with its first frame. From then on nothing goes to the old one. */
  #following: ActiveSegment | null = null
  readonly #next: number[]
  #line: Waiting[] = []
  #bytesInFlight = 0
  #writing: Promise<void> | null = null
  #trimming: Promise<void> = Promise.resolve()
  #closed = false
  #lastMs = 0
  #commits = 0
  #rawBytesWritten = 0
  #bytesWritten = 0

  private constructor(options: Required<LogWriterOptions>, segments: Segments, opened: Opened) {
    this.topic = options.topic
    this.partitionCount = options.partitionCount
    this.generation = options.generation
    this.findings = opened.findings
    this.#options = options
    this.#segments = segments
    this.#held = opened.held
    this.#active = opened.active
    this.#next = opened.next
    this.#end = SharedEnd.create(options.partitionCount, options.generation)
    this.shared = this.#end.buffer
    this.#reader = new EmbeddedLogReader({ folder: options.folder, topic: options.topic, shared: this.shared, fs: options.fs })
    this.#publishStart()
    this.#publishEnd()
  }

  /** @throws EngineError `LOG_GENERATION` when the folder holds another generation or number of partitions. */
  static async open(options: LogWriterOptions): Promise<EmbeddedLogWriter> {
    invariant(options.partitionCount >= 1 && options.partitionCount <= PARTITIONS_MAX, 'a topic has 1 to 256 partitions')
    const full = {
      generation: 0,
      fs: nodeFs,
      segmentBytes: 16 * 2 ** 20,
      bytesInFlightMax: 256 * 2 ** 20,
      groupBytesMax: 8 * 2 ** 20,
      sparesMax: 2,
      ...options,
    }
    const segments = new Segments(full)
    const log = new EmbeddedLogWriter(full, segments, await segments.open())
    log.#prepare()
    return log
  }

  append(records: readonly RecordToAppend[]): Promise<PartitionOffsets> {
    if (this.#closed) return Promise.reject(this.#error('LOG_CLOSED', 'is closed', false))
    if (records.length === 0) return Promise.resolve(new Map())
    for (const { partition } of records) {
      if (!Number.isInteger(partition) || partition < 0 || partition >= this.partitionCount) {
        return Promise.reject(this.#error('LOG_PARTITION', `has partitions 0 to ${this.partitionCount - 1}, not ${partition}`, false))
      }
    }
    const bytes = rawBytesBound(records)
    if (bytes > LARGEST_SEGMENT_BYTES / 4) return Promise.reject(this.#error('LOG_TOO_LARGE', `doesn't take ${bytes} bytes at once`, false))
    if (this.#bytesInFlight > 0 && this.#bytesInFlight + bytes > this.#options.bytesInFlightMax) {
      return Promise.reject(this.#error('LOG_BUSY', `has ${this.#bytesInFlight} bytes waiting to be written`, true))
    }
    this.#bytesInFlight += bytes
    return new Promise((resolve, reject) => {
      this.#line.push({ records, bytes, resolve, reject })
      this.#writing ??= this.#write()
    })
  }

  read(from: PartitionOffsets, signal: AbortSignal): AsyncIterable<LogBatch> {
    return this.#reader.read(from, signal)
  }

  starts(): Promise<PartitionOffsets> {
    return this.#reader.starts()
  }

  ends(): Promise<PartitionOffsets> {
    return this.#reader.ends()
  }

  /** Lets go of every segment, but the one that is written, in which all records are below. A partition left out keeps all. */
  trim(before: PartitionOffsets): Promise<void> {
    this.#trimming = this.#trimming.catch(() => {}).then(() => this.#trim(before))
    return this.#trimming
  }

  stats(): LogStats {
    return {
      segments: this.#held.length + (this.#active ? 1 : 0),
      spares: this.#segments.spares,
      bytes: this.#held.reduce((sum, segment) => sum + segment.bytes, this.#active?.bytes ?? 0),
      bytesInFlight: this.#bytesInFlight,
      commits: this.#commits,
      rawBytesWritten: this.#rawBytesWritten,
      bytesWritten: this.#bytesWritten,
      partitions: this.#next.map((end, partition) => ({ partition, start: this.#end.start(partition), end })),
    }
  }

  /** Waits for appends that are under way. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    await this.#trimming.catch(() => {})
    // An empty frame: the last one with records is then followed by a sound one, so that damage to it can't pass for a torn tail.
    if (this.#active && this.#following === null) {
      await this.#commit(new Array(this.partitionCount).fill(0), Buffer.alloc(0)).catch(() => {})
    }
    await this.#segments.prepared()
    await this.#active?.file.close()
    await this.#following?.file.close()
  }

  async #write(): Promise<void> {
    // Appends of the same turn of the event loop go together.
    await undefined
    while (this.#line.length > 0) {
      const group = this.#takeGroup()
      const firsts = [...this.#next]
      let failure: EngineError | null = null
      try {
        await this.#writeGroup(group)
      } catch (cause) {
        failure = new EngineError('LOG_UNWRITABLE', `log of ${this.topic} can't be written: ${String(cause)}`, { retryable: true, cause })
      }
      for (const waiting of group) this.#bytesInFlight -= waiting.bytes
      for (const waiting of group) {
        if (failure) waiting.reject(failure)
        else waiting.resolve(reached(waiting.records, firsts))
      }
    }
    this.#writing = null
  }

  #takeGroup(): Waiting[] {
    let bytes = 0
    let count = 0
    while (count < this.#line.length && (count === 0 || bytes < this.#options.groupBytesMax)) bytes += this.#line[count++]!.bytes
    return this.#line.splice(0, count)
  }

  async #writeGroup(group: readonly Waiting[]): Promise<void> {
    const counts: number[] = new Array(this.partitionCount).fill(0)
    let bytes = 0
    for (const waiting of group) {
      bytes += waiting.bytes
      for (const { partition } of waiting.records) counts[partition]!++
    }
    await this.#commit(counts, encodeBody(recordsOf(group), bytes))
  }

  async #commit(counts: readonly number[], raw: Uint8Array): Promise<void> {
    const packed = await compressBody(raw)
    const body = packed ?? raw
    const segment = await this.#room(headerBytes(this.partitionCount) + body.length)
    this.#lastMs = Math.max(this.#lastMs, this.#options.clock.nowMs())
    const header = encodeHeader(
      {
        segment: segment.segment,
        salt: segment.salt,
        generation: this.generation,
        appendedMs: this.#lastMs,
        rawBytes: raw.length,
        zstd: packed !== null,
        previousEnd: segment.end === 0 ? segment.previousEnd : null,
        firsts: this.#next,
        counts,
      },
      body,
    )
    await segment.file.write(body.length > 0 ? [header, body] : [header], segment.end)
    await segment.file.datasync()
    segment.end += padded(header.length + body.length)
    segment.bytes = Math.max(segment.bytes, segment.end)
    for (const [partition, count] of counts.entries()) this.#next[partition]! += count
    if (segment === this.#following) this.#follow(segment)
    this.#commits++
    this.#rawBytesWritten += raw.length
    this.#bytesWritten += padded(header.length + body.length)
    this.#publishEnd()
  }

  /** The segment for a frame of this size. A frame larger than a segment makes its file grow. */
  async #room(bytes: number): Promise<ActiveSegment> {
    if (this.#following) return this.#following
    const active = this.#active
    if (active && (active.end === 0 || active.end + bytes <= this.#options.segmentBytes)) return active
    this.#following = await this.#segments.create((active?.segment ?? 0) + 1, {
      previousEnd: active?.end ?? 0,
      firsts: [...this.#next],
    })
    return this.#following
  }

  #follow(segment: ActiveSegment): void {
    const left = this.#active
    if (left) {
      this.#held.push({ segment: left.segment, firsts: left.firsts, bytes: left.bytes })
      // It is synced; nothing is lost if closing says otherwise.
      left.file.close().catch(() => {})
    }
    this.#active = segment
    this.#following = null
    if (!left) this.#publishStart()
    this.#prepare()
  }

  async #trim(before: PartitionOffsets): Promise<void> {
    for (;;) {
      const oldest = this.#held[0]
      const next = this.#held[1] ?? this.#active
      if (!oldest || !next?.firsts) return
      const below = next.firsts.every((offset, partition) => offset <= (before.get(partition) ?? this.#end.start(partition)))
      if (!below) return
      this.#held.shift()
      // Before the file goes: a reader that finds it gone must find it let go of.
      this.#publishStart()
      await this.#segments.release(oldest.segment, oldest.bytes)
    }
  }

  /** A spare before it is needed. On a full disk there is none; that matters to the append that needs it, which tries again. */
  #prepare(): void {
    this.#segments.prepareSpare().catch(() => {})
  }

  #publishStart(): void {
    const oldest = this.#held[0] ?? this.#active
    // Where a damaged frame hides the beginning, nothing is known to be gone: a reader meets the damage itself.
    const starts = oldest ? (oldest.firsts ?? new Array(this.partitionCount).fill(0)) : this.#next
    this.#end.publishStart(oldest?.segment ?? 0, starts)
  }

  #publishEnd(): void {
    this.#end.publishEnd({ segment: this.#active?.segment ?? 0, byte: this.#active?.end ?? 0 }, this.#next)
  }

  #error(code: string, message: string, retryable: boolean): EngineError {
    return new EngineError(code, `log of ${this.topic} ${message}`, { retryable })
  }
}

function* recordsOf(group: readonly Waiting[]): Generator<RecordToAppend> {
  for (const waiting of group) yield* waiting.records
}

/** Where the records of one append ended, by partition; `firsts` moves on with them. */
function reached(records: readonly RecordToAppend[], firsts: number[]): PartitionOffsets {
  const offsets = new Map<number, number>()
  for (const { partition } of records) {
    firsts[partition]!++
    offsets.set(partition, firsts[partition] as number)
  }
  return offsets
}
