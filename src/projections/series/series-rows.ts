import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { CorruptionError } from '../../domain/errors.ts'
import { Labels } from '../../domain/labels.ts'
import type { BlockRow, BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'
import { DAY_MS, type TimestampMs } from '../../domain/time.ts'
import type { SeriesIndex } from './series-index.ts'

/**
 * The index as it is stored: by day and log partition, the series that have samples in that day's buckets, each written once.
 * A row holds many series, as one zstd frame: [16 bytes identity][u16 labels][u16 length, UTF-8 bytes, for each name and value in order of names]...
 */
const ROW_BYTES = 256 * 1024
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Which series are written for which day already. */
export class WrittenDays {
  readonly #days = new Map<TimestampMs, Uint8Array>()
  /** Series noted, and on their way to the store. */
  #pending: number[] = []

  /** Notes a series of a day. @returns whether it was new */
  add(day: TimestampMs, series: number): boolean {
    let bitmap = this.#days.get(day) ?? new Uint8Array(1024)
    const at = series >>> 3
    if (at >= bitmap.length) {
      const larger = new Uint8Array(Math.max(at + 1, 2 * bitmap.length))
      larger.set(bitmap)
      bitmap = larger
    }
    this.#days.set(day, bitmap)
    const bit = 1 << (series & 7)
    if ((bitmap[at] & bit) !== 0) return false
    bitmap[at] |= bit
    this.#pending.push(series)
    return true
  }

  /** Says whether what was noted since the last call was stored; if not, it counts as new again. */
  settle(stored: boolean): void {
    // In every day: to write a series of a day once more is harmless.
    if (!stored) for (const series of this.#pending) for (const bitmap of this.#days.values()) bitmap[series >>> 3] &= ~(1 << (series & 7))
    this.#pending = []
  }

  forgetBefore(day: TimestampMs): void {
    for (const known of this.#days.keys()) if (known < day) this.#days.delete(known)
  }
}

/** Rows for series that are new in a day. `run` makes their keys unique: what came through it is what they hold. */
export function seriesRows(
  version: number,
  index: SeriesIndex,
  day: TimestampMs,
  partition: number,
  run: string,
  series: readonly number[],
): BlockRow[] {
  const rows: BlockRow[] = []
  let parts: Uint8Array[] = []
  let bytes = 0
  const finish = () => {
    if (bytes === 0) return
    const value = zstdCompressSync(Buffer.concat(parts))
    rows.push({ ...seriesRef(version, partition, day), clusteringKey: `${run}/${rows.length.toString().padStart(6, '0')}`, value })
    parts = []
    bytes = 0
  }
  for (const id of series) {
    const entry = encodeSeries(index, id)
    parts.push(entry)
    bytes += entry.length
    if (bytes >= ROW_BYTES) finish()
  }
  finish()
  return rows
}

function encodeSeries(index: SeriesIndex, id: number): Uint8Array {
  const strings = index.labels(id).pairs.map((text) => encoder.encode(text))
  const entry = new Uint8Array(18 + strings.reduce((sum, text) => sum + 2 + text.length, 0))
  const view = new DataView(entry.buffer)
  index.writeIdentity(id, entry)
  view.setUint16(16, strings.length / 2, true)
  let at = 18
  for (const text of strings) {
    view.setUint16(at, text.length, true)
    entry.set(text, at + 2)
    at += 2 + text.length
  }
  return entry
}

function seriesRef(version: number, partition: number, day: TimestampMs): PartitionRef {
  return { table: 'series', partitionKey: `${version}/${partition}`, dayOf: day }
}

/** Fills the index from a day's rows of one log partition. Times are known by the day only. */
export async function loadSeriesDay(
  store: Pick<BlockStore, 'scan'>,
  version: number,
  partition: number,
  day: TimestampMs,
  index: SeriesIndex,
  written: WrittenDays,
): Promise<void> {
  for await (const rows of store.scan(seriesRef(version, partition, day))) {
    for (const row of rows) {
      decodeSeries(zstdDecompressSync(row.value), `${day}/${partition}/${row.clusteringKey}`, (identity, labels) => {
        const id = index.add(identity, labels, partition)
        index.minTimes[id] = Math.min(index.minTimes[id], day)
        index.maxTimes[id] = Math.max(index.maxTimes[id], day + DAY_MS)
        written.add(day, id)
      })
    }
  }
}

function decodeSeries(value: Uint8Array, where: string, add: (identity: Uint8Array, labels: Labels) => void): void {
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  let at = 0
  try {
    while (at < value.length) {
      const identity = value.subarray(at, at + 16)
      const strings = 2 * view.getUint16(at + 16, true)
      at += 18
      const pairs: string[] = []
      for (let i = 0; i < strings; i++) {
        const length = view.getUint16(at, true)
        pairs.push(decoder.decode(value.subarray(at + 2, at + 2 + length)))
        at += 2 + length
      }
      add(identity, Labels.fromSortedPairs(pairs))
    }
  } catch (cause) {
    if (cause instanceof RangeError) throw new CorruptionError(`series row ${where} ends in the middle of a series`, { cause })
    throw cause
  }
}
