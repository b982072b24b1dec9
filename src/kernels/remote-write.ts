/**
 * Walks a decompressed WriteRequest and finds each series by its raw label bytes; no string and no object per sample.
 * 1. A TimeSeries begins. Guess the entry that followed the previous one last time; if its label bytes stand here, it is found.
 * 2. Else find where the label fields end, hash them, probe the table, compare the stored bytes.
 * 3. Read the samples into the columns of the entry's partition; they count only when the whole series was read.
 * 4. If the entry is due to be declared (again), note it.
 * Whatever is unusual - an unknown series, a time out of bounds, another field, anything malformed - is left to the general decoder:
 * `walk` stops before that field and nothing of it has been taken.
 */
import { DOUBLE, ENTRY, ENTRY_WORDS, WORD, type WriteMemory } from './write-memory.ts'

export const WALK_DONE = 0
/** An unknown series, usual in form: its label bytes are at [labelsStart, labelsEnd), its field at fieldStart. */
export const WALK_UNKNOWN = 1
/** The field at fieldStart is for the general decoder. */
export const WALK_OTHER = 2
/** Columns or due list are full: take them away and walk on. */
export const WALK_FULL = 3
export type WalkStatus = 0 | 1 | 2 | 3

/** Walks on from word `at` to word `end`. */
export function walk(memory: WriteMemory): WalkStatus {
  const { bytes, words: w, view } = memory
  const end = w[WORD.end]
  const entriesAt = w[WORD.entriesAt] >>> 2
  let at = w[WORD.at]
  let previous = w[WORD.previous]
  let status: WalkStatus = WALK_DONE
  while (at < end) {
    w[WORD.fieldStart] = at
    if (bytes[at] !== 0x0a) {
      status = WALK_OTHER
      break
    }
    let body = at + 1
    let length = bytes[body++]
    if (length > 127) {
      length = (length & 127) | (bytes[body++] << 7)
      if (length > 0x3fff) length = (length & 0x3fff) | (bytes[body++] << 14)
    }
    const seriesEnd = body + length
    if (length > 0x1fffff || seriesEnd > end) {
      status = WALK_OTHER
      break
    }
    const previousNext = entriesAt + previous * ENTRY_WORDS + ENTRY.next
    let entry = w[previousNext]
    let labelsEnd = entry === 0 ? 0 : stands(memory, entriesAt + entry * ENTRY_WORDS, body, seriesEnd)
    const guessed = labelsEnd !== 0
    if (!guessed) {
      labelsEnd = skipLabels(bytes, body, seriesEnd)
      if (labelsEnd === 0) {
        status = WALK_OTHER
        break
      }
      const hash = hashBytes(memory, body, labelsEnd)
      entry = find(memory, hash, body, labelsEnd)
      if (entry === 0) {
        w[WORD.labelsStart] = body
        w[WORD.labelsEnd] = labelsEnd
        w[WORD.hash] = hash
        status = WALK_UNKNOWN
        break
      }
      w[previousNext] = entry
    }
    status = takeSamples(memory, view, entriesAt + entry * ENTRY_WORDS, entry, labelsEnd, seriesEnd)
    if (status !== WALK_DONE) break
    if (guessed) w[WORD.predicted] = w[WORD.predicted] + 1
    else w[WORD.hits] = w[WORD.hits] + 1
    previous = entry
    at = seriesEnd
  }
  w[WORD.at] = at
  w[WORD.previous] = previous
  return status
}

/** Whether the entry's label bytes stand at `body`, and no further label after them. @returns where they end, or 0 */
function stands(memory: WriteMemory, entryAt: number, body: number, seriesEnd: number): number {
  const { bytes, words: w } = memory
  const labelsEnd = body + w[entryAt + ENTRY.length]
  if (labelsEnd > seriesEnd || (labelsEnd < seriesEnd && bytes[labelsEnd] === 0x0a)) return 0
  return same(memory, w[entryAt + ENTRY.block], body, labelsEnd) ? labelsEnd : 0
}

/** Whether the block at `block` (aligned to words) holds the bytes at [start, end). */
function same(memory: WriteMemory, block: number, start: number, end: number): boolean {
  const { bytes, words: w, view } = memory
  let word = block >>> 2
  let at = start
  for (; at + 4 <= end; at += 4) if (w[word++] !== view.getUint32(at, true)) return false
  for (let b = block + (at - start); at < end; at++) if (bytes[b++] !== bytes[at]) return false
  return true
}

/** @returns where the label fields end, or 0 if they are malformed */
function skipLabels(bytes: Uint8Array, body: number, seriesEnd: number): number {
  let at = body
  while (at < seriesEnd && bytes[at] === 0x0a) {
    let length = bytes[at + 1]
    at += 2
    if (length > 127) {
      length = (length & 127) | (bytes[at++] << 7)
      if (length > 0x3fff) return 0
    }
    at += length
  }
  return at > seriesEnd || at === body ? 0 : at
}

export function hashBytes(memory: WriteMemory, start: number, end: number): number {
  const { view } = memory
  const seed = memory.words[WORD.seed]
  let a = seed | 0
  let b = (seed ^ 0x9e3779b9) | 0
  let at = start
  for (; at + 8 <= end; at += 8) {
    a = Math.imul(a ^ view.getUint32(at, true), 0x85ebca6b)
    b = Math.imul(b ^ view.getUint32(at + 4, true), 0xc2b2ae35)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  const left = end - at
  // The last 0-7 bytes, without those beyond them.
  const low = left === 0 ? 0 : left >= 4 ? view.getUint32(at, true) : view.getUint32(at, true) & ((1 << (8 * left)) - 1)
  const high = left <= 4 ? 0 : view.getUint32(at + 4, true) & ((1 << (8 * (left - 4))) - 1)
  a = Math.imul(a ^ low ^ (end - start), 0x85ebca6b)
  b = Math.imul(b ^ high, 0xc2b2ae35)
  let hash = a ^ ((b << 15) | (b >>> 17))
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** @returns the entry of the label bytes at [start, end), or 0 */
export function find(memory: WriteMemory, hash: number, start: number, end: number): number {
  const { words: w } = memory
  const mask = w[WORD.tableMask]
  const tableAt = w[WORD.tableAt] >>> 2
  const entriesAt = w[WORD.entriesAt] >>> 2
  for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
    const entry = w[tableAt + 2 * slot + 1]
    if (entry === 0) return 0
    if (w[tableAt + 2 * slot] !== hash) continue
    const entryAt = entriesAt + entry * ENTRY_WORDS
    if (w[entryAt + ENTRY.length] === end - start && same(memory, w[entryAt + ENTRY.block], start, end)) return entry
  }
}

/** Reads the samples at [start, end) of a series into its partition's columns. */
function takeSamples(memory: WriteMemory, view: DataView, entryAt: number, entry: number, start: number, end: number): WalkStatus {
  const { bytes, words: w, doubles } = memory
  const partition = w[entryAt + ENTRY.partition]
  const number = w[entryAt + ENTRY.number]
  const capacity = w[WORD.columnCapacity]
  const numbers = (w[WORD.numbersAt] >>> 2) + partition * capacity
  const times = w[WORD.timesAt] + 8 * partition * capacity
  const values = (w[WORD.valuesAt] >>> 2) + 2 * partition * capacity
  const first = w[WORD.counts + partition]
  let count = first
  for (let at = start; at < end; ) {
    // 0x12, a length, then 0x09 and 8 bytes of value, 0x10 and a varint of time; both may be left out, which means 0.
    if (bytes[at] !== 0x12) return WALK_OTHER
    const sampleEnd = at + 2 + bytes[at + 1]
    if (bytes[at + 1] > 127 || sampleEnd > end) return WALK_OTHER
    at += 2
    let low = 0
    let high = 0
    if (bytes[at] === 0x09 && at + 9 <= sampleEnd) {
      low = view.getUint32(at + 1, true)
      high = view.getUint32(at + 5, true)
      at += 9
    }
    // Times of now take 6 bytes; those that take more or less are odd enough for the general decoder.
    if (at + 7 !== sampleEnd || bytes[at] !== 0x10) return WALK_OTHER
    const t = view.getUint32(at + 1, true)
    const u = view.getUint16(at + 5, true)
    if ((t & 0x80808080) !== (0x80808080 | 0) || (u & 0x8080) !== 0x80) return WALK_OTHER
    const time =
      ((t & 0x7f) | ((t >>> 1) & 0x3f80) | ((t >>> 2) & 0x1fc000) | ((t >>> 3) & 0xfe00000)) +
      ((u & 0x7f) | ((u >>> 1) & 0x3f80)) * 268435456
    if (!(time >= doubles[DOUBLE.timeMin] && time <= doubles[DOUBLE.timeMax])) return WALK_OTHER
    if (count === capacity) return WALK_FULL
    w[numbers + count] = number
    view.setFloat64(times + 8 * count, time, true)
    w[values + 2 * count] = low
    w[values + 2 * count + 1] = high
    count += 1
    at = sampleEnd
  }
  if (count === first) return WALK_DONE
  if (w[entryAt + ENTRY.due] <= w[WORD.nowUnits] && w[entryAt + ENTRY.stamp] !== w[WORD.stamp]) {
    if (!noteDue(memory, entryAt, entry)) return WALK_FULL
  }
  w[WORD.counts + partition] = count
  w[WORD.samples] = w[WORD.samples] + count - first
  return WALK_DONE
}

/** Puts an entry on the list of series to be declared. @returns false if the list is full */
export function noteDue(memory: WriteMemory, entryAt: number, entry: number): boolean {
  const { words: w } = memory
  const count = w[WORD.dueCount]
  const labelBytes = w[WORD.dueBytes] + w[entryAt + ENTRY.length]
  if (count > 0 && (count === w[WORD.dueCapacity] || labelBytes > w[WORD.dueBytesMax])) return false
  w[(w[WORD.dueAt] >>> 2) + count] = entry
  w[WORD.dueCount] = count + 1
  w[WORD.dueBytes] = labelBytes
  w[entryAt + ENTRY.stamp] = w[WORD.stamp]
  return true
}
