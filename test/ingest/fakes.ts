import { SamplesColumns } from '../../src/domain/events/samples-columns.ts'
import { decodeSamplesRecord, hex } from '../../src/domain/events/samples-record.ts'
import type { Labels } from '../../src/domain/labels.ts'
import type { Clock, Random } from '../../src/domain/ports/clock.ts'
import type { RecordToAppend } from '../../src/domain/ports/event-log.ts'
import type { MetricMetadata } from '../../src/domain/ports/metadata-view.ts'
import type { Offset } from '../../src/domain/position.ts'
import { canonicalBytes, identityOf } from '../../src/ingest/series-identity.ts'

export class TestClock implements Clock {
  now = 1_763_980_000_000
  nowMs = () => this.now
  monotonicMs = () => this.now - 1_763_900_000_000
  sleep(): Promise<void> {
    throw new Error('nothing here sleeps')
  }
}

export class TestRandom implements Random {
  #state: number
  constructor(seed = 1) {
    this.#state = seed
  }
  next(): number {
    this.#state = (Math.imul(this.#state, 1103515245) + 12345) >>> 0
    return this.#state / 2 ** 32
  }
  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.next() * 256))
  }
}

interface Held {
  readonly records: readonly RecordToAppend[]
  resolve(offsets: Map<number, Offset>): void
  reject(error: Error): void
}

/** A log in memory. `hold` makes appends wait until they are settled by hand, in any order, durable or not. */
export class TestLog {
  readonly partitionCount: number
  readonly generation = 1
  readonly records: RecordToAppend[] = []
  /** Series that a record referred to although nothing acknowledged, nor the record itself, had declared them. */
  readonly violations: string[] = []
  readonly #declared = new Set<string>()
  appends = 0
  hold = false
  held: Held[] = []
  failWith: Error | null = null
  readonly #ends: number[]

  constructor(partitionCount = 4) {
    this.partitionCount = partitionCount
    this.#ends = new Array(partitionCount).fill(0)
  }

  async append(records: readonly RecordToAppend[]): Promise<Map<number, Offset>> {
    this.appends += 1
    this.#check(records)
    if (this.failWith) throw this.failWith
    if (!this.hold) return this.#store(records, true)
    return new Promise((resolve, reject) => this.held.push({ records, resolve, reject }))
  }

  /** Settles a held append: `stored` says whether the log has it, `error` what the producer is told. */
  settle(index: number, stored: boolean, error: Error | null): void {
    const [held] = this.held.splice(index, 1)
    const offsets = stored ? this.#store(held!.records, error === null) : new Map<number, Offset>()
    if (error) held!.reject(error)
    else held!.resolve(offsets)
  }

  /** A record refers only to what it declares itself, or to what was acknowledged before it was handed over. */
  #check(records: readonly RecordToAppend[]): void {
    const columns = new SamplesColumns()
    for (const { partition, payload } of records) {
      const { session, declarations, sampleCount } = decodeSamplesRecord(payload, columns)
      const own = new Set(declarations.map(({ number }) => number))
      for (let i = 0; i < sampleCount; i++) {
        const number = columns.numbers[i]!
        if (!own.has(number) && !this.#declared.has(`${session}/${partition}/${number}`)) {
          this.violations.push(`${session}/${partition}/${number}`)
        }
      }
    }
  }

  #store(records: readonly RecordToAppend[], acknowledged: boolean): Map<number, Offset> {
    const offsets = new Map<number, Offset>()
    for (const record of records) {
      this.records.push(record)
      if (acknowledged) {
        const { session, declarations } = decodeSamplesRecord(record.payload, new SamplesColumns())
        for (const { number } of declarations) this.#declared.add(`${session}/${record.partition}/${number}`)
      }
      offsets.set(record.partition, (this.#ends[record.partition]! += 1))
    }
    return offsets
  }
}

export interface Replayed {
  readonly series: string
  readonly time: number
  readonly high: number
  readonly low: number
}

/** Reads a log as a projector does. @throws when a sample refers to a number that was not declared before it */
export function replay(records: readonly RecordToAppend[]): {
  samples: Replayed[]
  metadata: MetricMetadata[]
  declarations: number
  labels: Labels[]
} {
  const tables = new Map<string, Map<number, string>>()
  const samples: Replayed[] = []
  const metadata: MetricMetadata[] = []
  const labels: Labels[] = []
  const columns = new SamplesColumns()
  let declarations = 0
  for (const { partition, payload } of records) {
    const record = decodeSamplesRecord(payload, columns)
    const key = `${record.session}/${partition}`
    const table = tables.get(key) ?? new Map<number, string>()
    tables.set(key, table)
    for (const declared of record.declarations) {
      const text = declared.labels.toString()
      const before = table.get(declared.number)
      if (before !== undefined && before !== text) throw new Error(`number ${declared.number} of ${key} was ${before}, now ${text}`)
      table.set(declared.number, text)
      const identity = hex(identityOf(canonicalBytes(declared.labels)))
      if (hex(declared.identity) !== identity) throw new Error(`identity of ${text} is ${hex(declared.identity)}, not ${identity}`)
      labels.push(declared.labels)
      declarations += 1
    }
    metadata.push(...record.metadata)
    for (let i = 0; i < columns.count; i++) {
      const series = table.get(columns.numbers[i]!)
      if (series === undefined) throw new Error(`number ${columns.numbers[i]} of ${key} was never declared`)
      samples.push({ series, time: columns.times[i]!, low: columns.valueBits[2 * i]!, high: columns.valueBits[2 * i + 1]! })
    }
  }
  return { samples, metadata, declarations, labels }
}

export function bitsOf(value: number): { low: number; high: number } {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, value, true)
  return { low: view.getUint32(0, true), high: view.getUint32(4, true) }
}
