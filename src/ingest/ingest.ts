/**
 * Push and pull alike end here: samples are checked, turned into records of `tidemark.samples`, and acknowledged when the log holds them.
 * A request is decoded and checked without waiting in between, so all requests share one session and its memory; only the append waits.
 *
 * Where the log is elsewhere, requests that come while an append is under way go into one batch, and so into one record a partition: the
 * more comes, the larger the records, and the less each sample costs whoever carries and reads them. They succeed or fail together.
 */
import { EngineError } from '../domain/errors.ts'
import { Labels } from '../domain/labels.ts'
import { limits as defaultLimits } from '../domain/limits.ts'
import type { AppendSamples, RejectReason, SampleBatch, WriteResult } from '../domain/ports/append-samples.ts'
import type { Clock, Random } from '../domain/ports/clock.ts'
import type { EventLog } from '../domain/ports/event-log.ts'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import { encodePosition, type Position } from '../domain/position.ts'
import { invariant } from '../stdx/invariant.ts'
import { IdempotencyKeys } from './idempotency-keys.ts'
import { inFlightBytes, type Protocol, recordFailure, recordRequest, recordWalk } from './ingest-metrics.ts'
import { type JsonPush, readJsonPush } from './json-push.ts'
import { KnownMetadata } from './known-metadata.ts'
import { checkKnownLabels, type Rejection } from './label-rules.ts'
import { RemoteWriteDecoder, type RemoteWriteMode } from './remote-write.ts'
import { BatchFull, SamplesSession, type Written } from './samples-session.ts'
import { TimeBounds } from './time-bounds.ts'
import { WriteTally } from './write-tally.ts'

type LimitName =
  | 'bodyBytesMax'
  | 'decompressedBytesMax'
  | 'labelsPerSeriesMax'
  | 'labelNameBytesMax'
  | 'labelValueBytesMax'
  | 'seriesPerSenderMax'
  | 'seriesPerRequestMax'
  | 'futureMsMax'
  | 'rawRetentionMs'
  | 'redeclareMs'
  | 'appendBytesInFlightMax'

export type IngestLimits = Readonly<Record<LimitName, number>>

export interface IngestParts {
  readonly log: Pick<EventLog, 'append' | 'partitionCount' | 'generation'>
  readonly clock: Clock
  readonly random: Random
  /** Those left out are those of domain/limits.ts. */
  readonly limits?: Partial<IngestLimits>
  /** Label blocks, and bytes of them, that are known at once; beyond it all are forgotten and declared anew. */
  readonly knownSeriesMax?: number
  readonly knownBytesMax?: number
  /** What reads remote write; all give the same result. `general` is the general decoder alone, the oracle of the others. */
  readonly kernel?: RemoteWriteMode
  /**
   * Resolves when what has come in by now was read: until then, and while an append is under way, requests are put into one batch. Left
   * out: each request is a batch of its own.
   */
  readonly later?: () => Promise<void>
}

const KNOWN_SERIES_MAX = 4_000_000
const KNOWN_BYTES_MAX = 1.5 * 2 ** 30
/** A record holds at most this many samples and label bytes: less than the 1 MB that any log takes. */
const COLUMN_CAPACITY = 32_768
const DUE_CAPACITY = 32_768
const DUE_BYTES_MAX = 512 * 1024
/** A single series' labels may need this much room, whatever the bound on bodies. */
const INPUT_BYTES_MIN = 2 ** 20

/** A batch of so many samples goes to the log even if an append is still under way. */
const BATCH_SAMPLES_MAX = 200_000

/** Requests that go to the log together. */
interface Batch {
  readonly position: Promise<Position>
  readonly resolve: (position: Promise<Position>) => void
}

/** Decodes and checks a request into the session. @returns its metadata */
type Take = (tally: WriteTally, bounds: TimeBounds) => readonly MetricMetadata[]

export class Ingest implements AppendSamples {
  readonly #log: IngestParts['log']
  readonly #clock: Clock
  readonly #limits: IngestLimits
  readonly #session: SamplesSession
  readonly #remoteWrite: RemoteWriteDecoder
  readonly #metadata: KnownMetadata
  readonly #keys: IdempotencyKeys<WriteResult>
  readonly #later: IngestParts['later']
  #bytesInFlight = 0
  #batch: Batch | null = null
  #appending = 0

  constructor(parts: IngestParts) {
    this.#log = parts.log
    this.#clock = parts.clock
    this.#limits = { ...defaultLimits, ...parts.limits }
    const limits = this.#limits
    this.#session = new SamplesSession({
      random: parts.random,
      redeclareMs: limits.redeclareMs,
      seriesPerSenderMax: limits.seriesPerSenderMax,
      memory: {
        partitions: parts.log.partitionCount,
        inputBytesMax: Math.max(limits.bodyBytesMax, INPUT_BYTES_MIN),
        plainBytesMax: limits.decompressedBytesMax,
        entriesMax: parts.knownSeriesMax ?? KNOWN_SERIES_MAX,
        blockBytesMax: parts.knownBytesMax ?? KNOWN_BYTES_MAX,
        columnCapacity: COLUMN_CAPACITY,
        dueCapacity: DUE_CAPACITY,
        dueBytesMax: DUE_BYTES_MAX,
      },
    })
    this.#remoteWrite = new RemoteWriteDecoder(this.#session, limits, parts.kernel ?? 'wasm')
    this.#metadata = new KnownMetadata(limits.redeclareMs)
    this.#keys = new IdempotencyKeys(parts.clock)
    this.#later = parts.later
  }

  /**
   * A body of Prometheus remote write 1.0, still compressed. Resolves when the log holds what was accepted.
   * @throws BadRequestError when the body can never succeed: nothing of it was taken
   * @throws EngineError when the log can't take it now
   */
  async writeRemote(body: Uint8Array, sender: string): Promise<WriteResult> {
    return this.#write('remote_write', sender, body.length, (tally, bounds) => {
      const { metadata } = this.#remoteWrite.decode(body, bounds, tally)
      recordWalk(this.#remoteWrite.stats)
      return metadata
    })
  }

  async appendSamples(batch: SampleBatch, sender: string): Promise<WriteResult> {
    return this.#write('batch', sender, 0, (tally, bounds) => {
      this.#takeBatch(batch, bounds, tally)
      return batch.metadata ?? []
    })
  }

  /**
   * The JSON form (docs/formats/json-push.md): the body's bytes, or a value already parsed. A repeated `idempotencyKey` of the same sender
   * gets the first result, without a second append.
   * @throws BadRequestError naming the path of what is wrong
   * @throws EngineError when the log can't take it now
   */
  async pushJson(body: unknown, sender: string): Promise<WriteResult> {
    const { batch, idempotencyKey } = this.#readJson(body)
    const bytes = body instanceof Uint8Array ? body.length : 0
    const write = () =>
      this.#write('json', sender, bytes, (tally, bounds) => {
        this.#takeBatch(batch, bounds, tally)
        return batch.metadata ?? []
      })
    return idempotencyKey === undefined ? write() : this.#keys.once(`${sender}\u0000${idempotencyKey}`, write)
  }

  #readJson(body: unknown): JsonPush {
    try {
      return readJsonPush(body, this.#clock.nowMs(), this.#limits)
    } catch (error) {
      recordFailure('json', error)
      throw error
    }
  }

  async #write(protocol: Protocol, sender: string, bodyBytes: number, take: Take): Promise<WriteResult> {
    try {
      const tally = new WriteTally(sender)
      const position = await this.#encode(tally, take)
      recordRequest(protocol, tally, bodyBytes)
      const { accepted: acceptedSamples, rejectedSamples, rejected } = tally
      return { acceptedSamples, rejectedSamples, rejected, position }
    } catch (error) {
      recordFailure(protocol, error)
      throw error
    }
  }

  /** @returns what becomes of the batch that the request is in */
  #encode(tally: WriteTally, take: Take): Promise<Position> {
    if (this.#bytesInFlight >= this.#limits.appendBytesInFlightMax) {
      throw new EngineError('LOG_BUSY', `${this.#bytesInFlight} bytes are on their way to the log already`, { retryable: true })
    }
    const batch = this.#openBatch()
    try {
      this.#take(tally, take)
    } catch (error) {
      this.#session.abandonRequest()
      if (!(error instanceof BatchFull)) throw error
      // Again, as the first of the next one.
      this.#closeBatch()
      tally.clear()
      return this.#encode(tally, take)
    }
    this.#session.endRequest()
    if (this.#later === undefined || this.#session.sampleCount >= BATCH_SAMPLES_MAX) this.#closeBatch()
    return batch.position
  }

  #take(tally: WriteTally, take: Take): void {
    const monotonicMs = this.#clock.monotonicMs()
    this.#session.beginRequest(monotonicMs)
    const metadata = take(tally, new TimeBounds(this.#clock.nowMs(), this.#limits))
    for (const one of this.#metadata.news(metadata, monotonicMs)) this.#session.declareMetadata(one)
  }

  #openBatch(): Batch {
    if (this.#batch !== null) return this.#batch
    this.#session.begin()
    const { promise, resolve } = Promise.withResolvers<Position>()
    const batch: Batch = { position: promise, resolve }
    this.#batch = batch
    // Whoever waits for it hears of a failure; a batch whose requests were all refused has nobody.
    promise.catch(() => {})
    void this.#later?.().then(() => {
      if (this.#batch === batch && this.#appending === 0) this.#closeBatch()
    })
    return batch
  }

  /**
   * The session has ended in the middle of a batch, which refers to what was declared under it: its requests fail with the append that
   * ended it, and are sent again.
   */
  #giveUpBatch(error: unknown): void {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    batch.resolve(Promise.reject(error))
  }

  #closeBatch(): void {
    const batch = this.#batch
    if (batch === null) return
    this.#batch = null
    this.#appending += 1
    batch.resolve(
      this.#append(this.#session.finish()).finally(() => {
        this.#appending -= 1
        if (this.#appending === 0) this.#closeBatch()
      }),
    )
  }

  async #append(written: Written): Promise<Position> {
    const { records, bytes } = written
    if (records.length === 0) return encodePosition(this.#log.generation, new Map())
    this.#hold(bytes)
    try {
      const offsets = await this.#log.append(records)
      this.#session.acknowledge(written)
      this.#metadata.acknowledge(written.metadata, this.#clock.monotonicMs())
      return encodePosition(this.#log.generation, offsets)
    } catch (error) {
      this.#session.fail(written)
      this.#giveUpBatch(error)
      throw error
    } finally {
      this.#hold(-bytes)
    }
  }

  #hold(bytes: number): void {
    this.#bytesInFlight += bytes
    inFlightBytes.set(this.#bytesInFlight)
  }

  #takeBatch(batch: SampleBatch, bounds: TimeBounds, tally: WriteTally): void {
    const session = this.#session
    const { labels, times, values } = batch
    invariant(times.length >= labels.length && values.length >= labels.length, 'a batch has a time and a value for each label set')
    const bits = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length)
    const refused = new Map<Labels, Rejection>()
    const samplesRefused = new Map<Labels, Map<RejectReason, { message: string; samples: number }>>()
    let previous: Labels | undefined
    for (let i = 0; i < labels.length; i++) {
      const series = labels[i]
      if (series !== previous) tally.series += 1
      previous = series
      const time = times[i]
      const entry = session.knownEntryOf(series) ?? refused.get(series) ?? this.#learn(series, tally.sender)
      if (typeof entry !== 'number') refused.set(series, entry)
      const reason = typeof entry !== 'number' ? entry.reason : bounds.reasonAgainst(time)
      if (typeof entry === 'number' && reason === null) {
        session.push(entry, time, bits[2 * i], bits[2 * i + 1])
        tally.accepted += 1
        continue
      }
      invariant(reason !== null, 'what is refused has a reason')
      const reasons = samplesRefused.get(series) ?? new Map<RejectReason, { message: string; samples: number }>()
      samplesRefused.set(series, reasons)
      const sum = reasons.get(reason) ?? { message: typeof entry === 'number' ? bounds.message(reason) : entry.message, samples: 0 }
      sum.samples += 1
      reasons.set(reason, sum)
    }
    for (const [series, reasons] of samplesRefused) {
      for (const [reason, { message, samples }] of reasons) tally.reject(() => series.toString(), reason, message, samples)
    }
  }

  #learn(series: Labels, sender: string): number | Rejection {
    const checked = checkKnownLabels(series, this.#limits)
    return checked instanceof Labels ? this.#session.entryOf(series, checked, sender) : checked
  }
}
