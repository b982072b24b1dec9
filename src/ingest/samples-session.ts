/**
 * A producer session: the id under which series are declared and referred to, the series known to it, and the records being written.
 *
 * A sample refers only to a declaration in the same record or to one that the log has acknowledged: an entry is *due* until an append
 * that declared it has succeeded, and a due entry is declared in every record that uses it. When an append fails its outcome is unknown,
 * so the session ends: a new id, everything due. Everything falls due again within `redeclareMs`, at a time of its own.
 */
import { samplesHeaders } from '../domain/events/samples-headers.ts'
import { hex, SESSION_BYTES } from '../domain/events/samples-record.ts'
import { SamplesRecordEncoder } from '../domain/events/samples-record-encoder.ts'
import type { Labels } from '../domain/labels.ts'
import type { Random } from '../domain/ports/clock.ts'
import type { RecordToAppend } from '../domain/ports/event-log.ts'
import type { MetricMetadata } from '../domain/ports/metadata-view.ts'
import { find, hashBytes, noteDue } from '../kernels/remote-write.ts'
import { ENTRY, WORD, WriteMemory, type WriteMemoryOptions } from '../kernels/write-memory.ts'
import { counter } from '../telemetry/metrics.ts'
import { labelsOfBlock } from './label-fields.ts'
import type { Rejection } from './label-rules.ts'
import { canonicalBytes, identityOf, isCanonicalForm, metadataPartitionOf, partitionOf } from './series-identity.ts'

const seriesDeclared = counter('tidemark_ingest_series_declared_total', 'Series declared to the log, repeated declarations included.')
const seriesRegistered = counter('tidemark_ingest_series_registered_total', 'Label blocks seen for the first time.')
const sessions = counter('tidemark_ingest_sessions_total', 'Producer sessions begun.')

export interface SessionOptions {
  readonly random: Random
  readonly redeclareMs: number
  readonly seriesPerSenderMax: number
  readonly memory: Omit<WriteMemoryOptions, 'seed'>
}

/** What one request puts into the log, and what it makes known once that has succeeded. */
export interface Written {
  readonly records: RecordToAppend[]
  readonly bytes: number
  readonly epoch: number
  readonly nowUnits: number
  readonly declared: readonly number[]
  readonly metadata: readonly MetricMetadata[]
}

interface Mark {
  /** By partition. */
  readonly counts: Uint32Array
  readonly dueCount: number
  readonly dueBytes: number
  readonly metadata: number
  readonly metadataBytes: number
}

/** What requests of before have put into the batch must be taken away before this one can go on. */
export class BatchFull extends Error {}

export class SamplesSession {
  readonly memory: WriteMemory
  readonly #options: SessionOptions
  readonly #partitions: number
  readonly #encoder = new SamplesRecordEncoder()
  #id: Uint8Array
  #name: string
  #sequence = 0
  /** Raised when declarations of before no longer count. */
  #epoch = 0
  readonly #nextNumber: number[]
  #byLabels = new WeakMap<Labels, number>()
  readonly #senders = new Map<string, number>()
  /** Of entries that this request brought, what declaring them needs. */
  readonly #fresh = new Map<number, { readonly labels: Labels; readonly identity: Uint8Array }>()
  #records: RecordToAppend[] = []
  #recordBytes = 0
  #declared: number[] = []
  #metadata: MetricMetadata[] = []
  #metadataBytes = 0
  #metadataWritten: MetricMetadata[] = []
  #registered = 0
  /** Of the batch, those that are done. */
  #requests = 0
  /** Where the request that is under way began. */
  #mark: Mark | null = null
  /** When all series were last forgotten, or the first request came. */
  #forgottenUnits = 0

  constructor(options: SessionOptions) {
    this.#options = options
    this.#partitions = options.memory.partitions
    const seed = options.random.bytes(4)
    this.memory = new WriteMemory({ ...options.memory, seed: new DataView(seed.buffer, seed.byteOffset).getUint32(0, true) })
    this.#nextNumber = new Array(this.#partitions).fill(0)
    this.#id = this.#newId()
    this.#name = hex(this.#id)
  }

  get name(): string {
    return this.#name
  }

  /** Begins a batch of requests; what an earlier one left is forgotten. */
  begin(): void {
    this.memory.clearSamples()
    this.#requests = 0
    this.#fresh.clear()
    this.#records = []
    this.#recordBytes = 0
    this.#declared = []
    this.#metadata = []
    this.#metadataBytes = 0
    this.#metadataWritten = []
  }

  /** Begins a request of the batch. */
  beginRequest(monotonicMs: number): void {
    const { words, options } = this.memory
    words[WORD.previous] = 0
    words[WORD.nowUnits] = 1 + Math.floor(monotonicMs / 1000)
    if (this.#forgottenUnits === 0) this.#forgottenUnits = words[WORD.nowUnits]
    this.#mark = {
      counts: words.slice(WORD.counts, WORD.counts + options.partitions),
      dueCount: words[WORD.dueCount],
      dueBytes: words[WORD.dueBytes],
      metadata: this.#metadata.length,
      metadataBytes: this.#metadataBytes,
    }
  }

  /** The request belongs to the batch from now on. */
  endRequest(): void {
    this.#requests += 1
  }

  /**
   * Takes back all samples of the request that was begun last; to be called when it throws. A request that is alone in its batch may have
   * been written in part: then the whole batch is begun anew.
   */
  abandonRequest(): void {
    if (this.#requests === 0) {
      this.begin()
      return
    }
    const { memory } = this
    const { words } = memory
    const { counts, dueCount, dueBytes, metadata, metadataBytes } = this.#mark!
    const dueAt = words[WORD.dueAt] >>> 2
    // They are in the list no more: the next request that uses them must note them again.
    for (let i = dueCount; i < words[WORD.dueCount]; i++) words[memory.entryAt(words[dueAt + i]) + ENTRY.stamp] = 0
    words.set(counts, WORD.counts)
    words[WORD.dueCount] = dueCount
    words[WORD.dueBytes] = dueBytes
    this.#metadata.length = metadata
    this.#metadataBytes = metadataBytes
  }

  /** Samples of the batch that stand in columns. */
  get sampleCount(): number {
    const { words, options } = this.memory
    let count = 0
    for (let partition = 0; partition < options.partitions; partition++) count += words[WORD.counts + partition]
    return count
  }

  /** The entry of the label set `given`, made if need be; from now on it is known by reference. `checked` is what the rules made of it. */
  entryOf(given: Labels, checked: Labels, sender: string): number | Rejection {
    const entry = this.entryOfBlock(canonicalBytes(checked), checked.pairs, checked, sender)
    if (typeof entry === 'number') this.#byLabels.set(given, entry)
    return entry
  }

  /** The entry known by these labels' reference, if there is one. */
  knownEntryOf(labels: Labels): number | undefined {
    return this.#byLabels.get(labels)
  }

  /**
   * The entry of a block of label fields, made if need be. `block` may lie in the session's memory; `pairs` is what it says, `labels` what
   * the rules made of it.
   */
  entryOfBlock(block: Uint8Array, pairs: readonly string[], labels: Labels, sender: string): number | Rejection {
    const { memory } = this
    const inside = block.buffer === memory.memory.buffer
    // To be hashed and compared, the block must lie in this memory: the input's place is free by now.
    const start = inside ? block.byteOffset : memory.inputAt
    if (!inside) memory.bytes.set(block, start)
    const hash = hashBytes(memory, start, start + block.length)
    const found = find(memory, hash, start, start + block.length)
    if (found !== 0) return found
    if ((this.#senders.get(sender) ?? 0) >= this.#options.seriesPerSenderMax) {
      // Most of them may be gone: once in an interval all are forgotten, and only those that still send come back.
      if (memory.words[WORD.nowUnits] - this.#forgottenUnits < this.#options.redeclareMs / 1000) {
        const { seriesPerSenderMax } = this.#options
        return { reason: 'too-many-series', message: `the sender has ${seriesPerSenderMax} series already, more are not allowed` }
      }
      this.#forgetSeries()
    }
    if (!memory.hasRoom(block.length)) this.#forgetSeries()
    this.#senders.set(sender, (this.#senders.get(sender) ?? 0) + 1)
    const stored = memory.bytes.subarray(start, start + block.length)
    const canonical = pairs === labels.pairs && isCanonicalForm(stored) ? stored : canonicalBytes(labels)
    const identity = identityOf(canonical)
    const partition = partitionOf(labels.metric, canonical, this.#partitions)
    const number = this.#nextNumber[partition]++
    const entry = memory.add(stored, hash, partition, number)
    this.#fresh.set(entry, { labels, identity })
    this.#registered += 1
    return entry
  }

  /** Takes one sample of an entry; the value as two 32-bit halves. */
  push(entry: number, time: number, low: number, high: number): void {
    const { memory } = this
    let w = memory.words
    const at = memory.entryAt(entry)
    const partition = w[at + ENTRY.partition]
    if (w[WORD.counts + partition] === w[WORD.columnCapacity]) this.flush()
    if (w[at + ENTRY.due] <= w[WORD.nowUnits] && w[at + ENTRY.stamp] !== w[WORD.stamp] && !noteDue(memory, at, entry)) {
      this.flush()
      noteDue(memory, at, entry)
    }
    w = memory.words
    const index = w[WORD.counts + partition]
    const columns = memory.columns(partition)
    columns.numbers[index] = w[at + ENTRY.number]
    columns.times[index] = time
    columns.valueBits[2 * index] = low
    columns.valueBits[2 * index + 1] = high
    w[WORD.counts + partition] = index + 1
  }

  declareMetadata(metadata: MetricMetadata): void {
    const { metric, help, unit } = metadata
    this.#metadataBytes += 3 * (metric.length + help.length + unit.length)
    if (this.#metadataBytes > this.#options.memory.dueBytesMax) this.flush()
    this.#metadata.push(metadata)
  }

  /**
   * Turns what was taken so far into records, one a partition.
   * @throws BatchFull in the middle of a request that is not the first of its batch: its samples must not be mixed into a record with
   *   those of others before it is known to be good
   */
  flush(): void {
    if (this.#requests > 0 && this.#mark !== null) throw new BatchFull()
    this.#write()
  }

  #write(): void {
    const { memory } = this
    const w = memory.words
    const due: number[][] = Array.from({ length: this.#partitions }, () => [])
    const dueAt = w[WORD.dueAt] >>> 2
    for (let i = 0; i < w[WORD.dueCount]; i++) {
      const entry = w[dueAt + i]
      due[w[memory.entryAt(entry) + ENTRY.partition]]!.push(entry)
    }
    const metadata = this.#metadata
    const metadataPartitions = metadata.map(({ metric }) => metadataPartitionOf(metric, this.#partitions))
    for (let partition = 0; partition < this.#partitions; partition++) {
      const count = memory.count(partition)
      if (count === 0 && !metadataPartitions.includes(partition)) continue
      this.#encoder.begin(this.#id)
      for (const entry of due[partition]) this.#declare(entry)
      for (let i = 0; i < metadata.length; i++) if (metadataPartitions[i] === partition) this.#encoder.declareMetadata(metadata[i])
      const { numbers, times, values } = memory.columns(partition)
      const payload = this.#encoder.finish({ numbers, times, values, count })
      this.#records.push({ partition, headers: samplesHeaders(this.#name, this.#sequence++), payload })
      this.#recordBytes += payload.length
    }
    for (const one of metadata) this.#metadataWritten.push(one)
    this.#metadata = []
    this.#metadataBytes = 0
    memory.clearSamples()
  }

  /** Ends the batch: its records, to be appended in one call. */
  finish(): Written {
    this.#mark = null
    this.#write()
    if (this.#registered > 0) seriesRegistered.inc(this.#registered)
    this.#registered = 0
    if (this.#declared.length > 0) seriesDeclared.inc(this.#declared.length)
    return {
      records: this.#records,
      bytes: this.#recordBytes,
      epoch: this.#epoch,
      nowUnits: this.memory.words[WORD.nowUnits],
      declared: this.#declared,
      metadata: this.#metadataWritten,
    }
  }

  /** The log holds what was written: what it declared may be referred to. @returns false if the session has ended meanwhile */
  acknowledge(written: Written): boolean {
    if (written.epoch !== this.#epoch) return false
    const { words } = this.memory
    const seconds = this.#options.redeclareMs / 1000
    for (const entry of written.declared) {
      // Well before the interval is over, and not all at once.
      words[this.memory.entryAt(entry) + ENTRY.due] = written.nowUnits + Math.floor(seconds * (0.45 + 0.45 * this.#options.random.next()))
    }
    return true
  }

  /** The log may or may not hold what was written: nothing declared under this session counts any more. */
  fail(written: Written): void {
    if (written.epoch !== this.#epoch) return
    this.#renew()
    this.memory.makeAllDue()
  }

  #declare(entry: number): void {
    const labels = this.#fresh.get(entry)?.labels ?? labelsOfBlock(this.memory.block(entry))
    const identity = this.#fresh.get(entry)?.identity ?? identityOf(canonicalBytes(labels))
    this.#encoder.declare(this.memory.words[this.memory.entryAt(entry) + ENTRY.number], identity, labels)
    this.#declared.push(entry)
  }

  /** At a bound of series or label bytes: what was taken is written under the old session, then all is forgotten. */
  #forgetSeries(): void {
    this.flush()
    this.memory.clearEntries()
    this.#fresh.clear()
    this.#declared = []
    this.#byLabels = new WeakMap()
    this.#senders.clear()
    this.#nextNumber.fill(0)
    this.#forgottenUnits = this.memory.words[WORD.nowUnits]
    this.#renew()
  }

  #renew(): void {
    this.#epoch += 1
    this.#id = this.#newId()
    this.#name = hex(this.#id)
    this.#sequence = 0
  }

  #newId(): Uint8Array {
    sessions.inc()
    return this.#options.random.bytes(SESSION_BYTES)
  }
}
