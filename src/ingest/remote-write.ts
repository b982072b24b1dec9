/**
 * Decodes a body of Prometheus remote write 1.0 (a snappy block that holds a WriteRequest) into a session's columns.
 * 1. Check the declared length, decode snappy into the session's memory.
 * 2. The kernel walks the series that it knows by their raw label bytes.
 * 3. Where it stops, the general decoder reads that one field: it registers unknown series, refuses what breaks a rule, by name,
 *    and throws on what is malformed. It knows the whole format, and gives the same result on every field that the kernel takes.
 * Nothing reaches the log before the whole body was read.
 */

import { METADATA_TYPES } from '../domain/events/samples-record.ts'
import { Labels } from '../domain/labels.ts'
import type { RejectReason } from '../domain/ports/append-samples.ts'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import { WALK_DONE, WALK_FULL, WALK_UNKNOWN } from '../kernels/remote-write.ts'
import { fastestKernel, type RemoteWriteKernel, typescriptKernel } from '../kernels/remote-write-kernel.ts'
import { SnappyError, snappyHead } from '../kernels/snappy.ts'
import { DOUBLE, WORD } from '../kernels/write-memory.ts'
import { BadRequestError } from './errors.ts'
import { kernelInfo, type WalkStats } from './ingest-metrics.ts'
import { readLabel } from './label-fields.ts'
import { checkLabels, type LabelLimits, type Rejection } from './label-rules.ts'
import { ProtoReader, WIRE_64, WIRE_BYTES, WIRE_VARINT } from './proto-reader.ts'
import type { SamplesSession } from './samples-session.ts'
import { canonicalBytes } from './series-identity.ts'
import type { TimeBounds } from './time-bounds.ts'
import type { WriteTally } from './write-tally.ts'

const HELP_MAX = 4096

export interface RemoteWriteLimits extends LabelLimits {
  readonly bodyBytesMax: number
  readonly decompressedBytesMax: number
  readonly seriesPerRequestMax: number
}

/** `general`: everything goes through the general decoder, the oracle of the others. */
export type RemoteWriteMode = 'wasm' | 'typescript' | 'general'

export interface DecodedRequest {
  /** Every metadata of the request; which of it is news is decided elsewhere. */
  readonly metadata: readonly MetricMetadata[]
}

export class RemoteWriteDecoder {
  readonly #session: SamplesSession
  readonly #limits: RemoteWriteLimits
  readonly #mode: RemoteWriteMode
  readonly #kernel: RemoteWriteKernel
  #metadata: MetricMetadata[] = []
  #misses = 0

  constructor(session: SamplesSession, limits: RemoteWriteLimits, mode: RemoteWriteMode) {
    this.#session = session
    this.#limits = limits
    this.#mode = mode
    this.#kernel = mode === 'wasm' ? fastestKernel(session.memory) : typescriptKernel(session.memory)
    kernelInfo.set({ kernel: this.#kernel.name }, 1)
  }

  /** Of the last request. */
  get stats(): WalkStats {
    const { words } = this.#session.memory
    return { predicted: words[WORD.predicted], hits: words[WORD.hits], misses: this.#misses }
  }

  /** The session must have begun a request. @throws BadRequestError */
  decode(body: Uint8Array, bounds: TimeBounds, tally: WriteTally): DecodedRequest {
    const { memory } = this.#session
    const end = memory.plainAt + this.#decompress(body)
    const w = memory.words
    w[WORD.at] = memory.plainAt
    w[WORD.end] = end
    w[WORD.samples] = 0
    w[WORD.hits] = 0
    w[WORD.predicted] = 0
    memory.doubles[DOUBLE.timeMin] = bounds.oldestMs
    memory.doubles[DOUBLE.timeMax] = bounds.newestMs
    this.#metadata = []
    this.#misses = 0
    while (memory.words[WORD.at] < end) this.#walkOn(end, bounds, tally)
    const after = memory.words
    tally.accepted += after[WORD.samples]
    tally.series += after[WORD.hits] + after[WORD.predicted]
    if (tally.series > this.#limits.seriesPerRequestMax) {
      throw new BadRequestError(
        `write request: ${tally.series} series, at most ${this.#limits.seriesPerRequestMax} are allowed`,
        'too-large',
      )
    }
    return { metadata: this.#metadata }
  }

  #decompress(body: Uint8Array): number {
    const { bodyBytesMax, decompressedBytesMax } = this.#limits
    if (body.length > bodyBytesMax)
      throw new BadRequestError(`body of ${body.length} bytes, at most ${bodyBytesMax} are allowed`, 'too-large')
    const { memory } = this.#session
    try {
      const { length, start } = snappyHead(body)
      if (length > decompressedBytesMax) {
        throw new BadRequestError(`body declares ${length} decompressed bytes, at most ${decompressedBytesMax} are allowed`, 'too-large')
      }
      memory.bytes.set(body, memory.inputAt)
      const { inputAt, plainAt } = memory
      this.#kernel.snappy(inputAt + start, inputAt + body.length, plainAt, plainAt + length)
      return length
    } catch (error) {
      if (error instanceof SnappyError)
        throw new BadRequestError(`body is not a snappy block: ${error.message}`, 'malformed', { cause: error })
      throw error
    }
  }

  #walkOn(end: number, bounds: TimeBounds, tally: WriteTally): void {
    const { memory } = this.#session
    if (this.#mode === 'general') {
      memory.words[WORD.at] = this.#readField(memory.words[WORD.at], end, bounds, tally)
      return
    }
    const status = this.#kernel.walk()
    if (status === WALK_DONE) return
    const { words } = memory
    if (
      status === WALK_FULL &&
      (words[WORD.dueCount] !== 0 || words.subarray(WORD.counts, WORD.counts + memory.options.partitions).some(Boolean))
    ) {
      this.#session.flush()
      return
    }
    const fieldStart = words[WORD.fieldStart]
    this.#misses += 1
    if (status === WALK_UNKNOWN && this.#register(words[WORD.labelsStart], words[WORD.labelsEnd], tally)) return
    memory.words[WORD.at] = this.#readField(fieldStart, end, bounds, tally)
  }

  /** Makes an unknown block of labels known, so that the kernel takes the series. @returns false if the series is to be refused */
  #register(start: number, end: number, tally: WriteTally): boolean {
    const { memory } = this.#session
    const reader = new ProtoReader(memory.bytes, start, end, 'write request', memory.plainAt)
    const pairs: string[] = []
    while (reader.next()) {
      if (!readLabel(reader, pairs)) return false
    }
    const labels = checkLabels(pairs, this.#limits)
    return (
      labels instanceof Labels &&
      typeof this.#session.entryOfBlock(memory.bytes.subarray(start, end), pairs, labels, tally.sender) === 'number'
    )
  }

  /** Reads the field at `at` of the WriteRequest by the general decoder. @returns where it ends */
  #readField(at: number, end: number, bounds: TimeBounds, tally: WriteTally): number {
    const { memory } = this.#session
    const reader = new ProtoReader(memory.bytes, at, end, 'write request', memory.plainAt)
    reader.next()
    if (reader.field === 1) {
      reader.expect(WIRE_BYTES, 'a time series')
      const seriesEnd = reader.length()
      this.#readSeries(reader.at, seriesEnd, bounds, tally)
      return seriesEnd
    }
    if (reader.field === 3) {
      reader.expect(WIRE_BYTES, 'metadata')
      const metadataEnd = reader.length()
      this.#readMetadata(new ProtoReader(memory.bytes, reader.at, metadataEnd, 'write request', memory.plainAt))
      return metadataEnd
    }
    reader.skip()
    return reader.at
  }

  #readSeries(start: number, end: number, bounds: TimeBounds, tally: WriteTally): void {
    const session = this.#session
    const { memory } = session
    tally.series += 1
    const reader = new ProtoReader(memory.bytes, start, end, 'write request', memory.plainAt)
    const pairs: string[] = []
    const samples: { time: number; low: number; high: number }[] = []
    let histograms = 0
    let isText = true
    // Where the label fields begin and end, if no other field stands between them.
    let labelsStart = -1
    let labelsEnd = -1
    for (let fieldAt = reader.at; reader.next(); fieldAt = reader.at) {
      if (reader.field === 1) {
        reader.expect(WIRE_BYTES, 'a label')
        isText = readLabel(reader, pairs) && isText
        if (labelsStart === -1) labelsStart = fieldAt
        else if (labelsEnd !== fieldAt) labelsStart = -2
        labelsEnd = reader.at
      } else if (reader.field === 2) {
        reader.expect(WIRE_BYTES, 'a sample')
        samples.push(readSample(reader))
      } else {
        if (reader.field === 4) histograms += 1
        reader.skip()
      }
    }
    const name = () => seriesText(pairs)
    const entry = this.#entryOf(pairs, isText, labelsStart < 0 ? null : memory.bytes.subarray(labelsStart, labelsEnd), tally)
    if (typeof entry !== 'number') {
      tally.reject(name, entry.reason, entry.message, samples.length + histograms)
      return
    }
    if (histograms > 0) tally.reject(name, 'unsupported-histogram', 'native histograms are not kept', histograms)
    const outside = new Map<RejectReason, number>()
    for (const { time, low, high } of samples) {
      const reason = bounds.reasonAgainst(time)
      if (reason === null) {
        session.push(entry, time, low, high)
        tally.accepted += 1
      } else outside.set(reason, (outside.get(reason) ?? 0) + 1)
    }
    for (const [reason, count] of outside) tally.reject(name, reason, bounds.message(reason), count)
  }

  #entryOf(pairs: readonly string[], isText: boolean, block: Uint8Array | null, tally: WriteTally): number | Rejection {
    if (!isText) return { reason: 'invalid-utf8', message: 'a label name or value is not UTF-8' }
    const labels = checkLabels(pairs, this.#limits)
    if (!(labels instanceof Labels)) return labels
    if (block !== null) return this.#session.entryOfBlock(block, pairs, labels, tally.sender)
    return this.#session.entryOfBlock(canonicalBytes(labels), labels.pairs, labels, tally.sender)
  }

  #readMetadata(reader: ProtoReader): void {
    let code = 0
    const texts: (string | null)[] = []
    while (reader.next()) {
      if (reader.field === 1) {
        reader.expect(WIRE_VARINT, 'the type of metadata')
        code = reader.varint()
      } else if (reader.field === 2 || reader.field === 4 || reader.field === 5) {
        reader.expect(WIRE_BYTES, 'a text of metadata')
        texts[reader.field] = reader.text()
      } else reader.skip()
    }
    const metric = texts[2]
    // Metadata is a courtesy: what can't be used is left out and harms no sample.
    if (!metric || metric.length > this.#limits.labelValueBytesMax || texts[4] === null || texts[5] === null) return
    this.#metadata.push({
      metric,
      type: METADATA_TYPES[code] ?? 'unknown',
      help: (texts[4] ?? '').slice(0, HELP_MAX).toWellFormed(),
      unit: (texts[5] ?? '').slice(0, HELP_MAX).toWellFormed(),
    })
  }
}

function readSample(reader: ProtoReader): { time: number; low: number; high: number } {
  const outer = reader.end
  reader.end = reader.length()
  let time = 0
  let low = 0
  let high = 0
  while (reader.next()) {
    if (reader.field === 1) {
      reader.expect(WIRE_64, 'the value of a sample')
      ;[low, high] = reader.fixed64()
    } else if (reader.field === 2) {
      reader.expect(WIRE_VARINT, 'the time of a sample')
      time = reader.int64()
    } else reader.skip()
  }
  reader.end = outer
  return { time, low, high }
}

/** Labels that may break any rule, for a message. */
function seriesText(pairs: readonly string[]): string {
  return Labels.fromSortedPairs(pairs.slice(0, 40)).toString()
}
