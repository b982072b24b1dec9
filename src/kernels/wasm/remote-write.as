/**
 * AssemblyScript twin of ../snappy.ts and ../remote-write.ts: the same algorithm on the same memory, described there. Compiled by
 * `node scripts/build-wasm.mjs`. The layout (word addresses, entry fields) is generated from ../write-memory.ts.
 */
import {
  AT, COLUMN_CAPACITY, COUNTS, DOUBLES, DUE_AT, DUE_BYTES, DUE_BYTES_MAX, DUE_CAPACITY, DUE_COUNT, END, ENTRIES_AT, ENTRY_BLOCK, ENTRY_BYTES,
  ENTRY_DUE, ENTRY_LENGTH, ENTRY_NEXT, ENTRY_NUMBER, ENTRY_PARTITION, ENTRY_STAMP, FIELD_START, HASH, HITS, LABELS_END, LABELS_START,
  NOW_UNITS, NUMBERS_AT, PREDICTED, PREVIOUS, SAMPLES, SEED, STAMP, TABLE_AT, TABLE_MASK, TIMES_AT, VALUES_AT,
} from './layout'

const DONE: i32 = 0
const UNKNOWN: i32 = 1
const OTHER: i32 = 2
const FULL: i32 = 3

/** @returns 1, or 0 if the block is malformed: the TypeScript twin then says where */
export function snappy(inAt: u32, inEnd: u32, outStart: u32, outEnd: u32): i32 {
  let ip = inAt
  let op = outStart
  while (ip < inEnd) {
    const tag: u32 = load<u8>(ip++)
    let length = tag >>> 2
    if ((tag & 3) == 0) {
      if (length >= 60) {
        const extra = length - 59
        length = load<u32>(ip)
        if (extra < 4) length &= (1 << (extra << 3)) - 1
        ip += extra
        if (ip > inEnd || length == <u32>0xffffffff) return 0
      }
      length += 1
      if (length > inEnd - ip || length > outEnd - op) return 0
      if (length <= 64) {
        v128.store(op, v128.load(ip))
        if (length > 16) {
          v128.store(op, v128.load(ip, 16), 16)
          if (length > 32) {
            v128.store(op, v128.load(ip, 32), 32)
            v128.store(op, v128.load(ip, 48), 48)
          }
        }
      } else memory.copy(op, ip, length)
      ip += length
      op += length
      continue
    }
    let offset: u32
    if ((tag & 3) == 1) {
      length = 4 + (length & 7)
      offset = ((tag >>> 5) << 8) | load<u8>(ip++)
    } else if ((tag & 3) == 2) {
      length += 1
      offset = load<u16>(ip)
      ip += 2
    } else {
      length += 1
      offset = load<u32>(ip)
      ip += 4
    }
    if (ip > inEnd || offset == 0 || offset > op - outStart || length > outEnd - op) return 0
    let from = op - offset
    const end = op + length
    if (offset >= 16) {
      do {
        v128.store(op, v128.load(from))
        op += 16
        from += 16
      } while (op < end)
      op = end
    } else if (offset >= 8) {
      do {
        store<u64>(op, load<u64>(from))
        op += 8
        from += 8
      } while (op < end)
      op = end
    } else {
      while (op < end) store<u8>(op++, load<u8>(from++))
    }
  }
  return op == outEnd ? 1 : 0
}

export function walk(): i32 {
  const end = load<u32>(END)
  const entriesAt = load<u32>(ENTRIES_AT)
  let at = load<u32>(AT)
  let previous = load<u32>(PREVIOUS)
  let predicted = load<u32>(PREDICTED)
  let hits = load<u32>(HITS)
  let status = DONE
  let fieldStart = at
  while (at < end) {
    fieldStart = at
    if (load<u8>(at) != 0x0a) {
      status = OTHER
      break
    }
    let body = at + 1
    let length: u32 = load<u8>(body++)
    if (length > 127) {
      length = (length & 127) | (<u32>load<u8>(body++) << 7)
      if (length > 0x3fff) length = (length & 0x3fff) | (<u32>load<u8>(body++) << 14)
    }
    const seriesEnd = body + length
    if (length > 0x1fffff || seriesEnd > end) {
      status = OTHER
      break
    }
    const previousAt = entriesAt + previous * ENTRY_BYTES
    let entry = load<u32>(previousAt + ENTRY_NEXT)
    let labelsEnd = entry == 0 ? 0 : stands(entriesAt + entry * ENTRY_BYTES, body, seriesEnd)
    const guessed = labelsEnd != 0
    if (!guessed) {
      labelsEnd = skipLabels(body, seriesEnd)
      if (labelsEnd == 0) {
        status = OTHER
        break
      }
      const hash = hashBytes(body, labelsEnd)
      entry = find(hash, body, labelsEnd)
      if (entry == 0) {
        store<u32>(LABELS_START, body)
        store<u32>(LABELS_END, labelsEnd)
        store<u32>(HASH, hash)
        status = UNKNOWN
        break
      }
      store<u32>(previousAt + ENTRY_NEXT, entry)
    }
    status = takeSamples(entriesAt + entry * ENTRY_BYTES, entry, labelsEnd, seriesEnd)
    if (status != DONE) break
    if (guessed) predicted++
    else hits++
    previous = entry
    at = seriesEnd
  }
  store<u32>(AT, at)
  store<u32>(FIELD_START, fieldStart)
  store<u32>(PREVIOUS, previous)
  store<u32>(PREDICTED, predicted)
  store<u32>(HITS, hits)
  return status
}

// @ts-ignore: decorator
@inline
function stands(entryAt: u32, body: u32, seriesEnd: u32): u32 {
  const labelsEnd = body + load<u32>(entryAt + ENTRY_LENGTH)
  if (labelsEnd > seriesEnd || (labelsEnd < seriesEnd && load<u8>(labelsEnd) == 0x0a)) return 0
  return same(load<u32>(entryAt + ENTRY_BLOCK), body, labelsEnd) ? labelsEnd : 0
}

function same(block: u32, start: u32, end: u32): bool {
  let b = block
  let at = start
  while (at + 16 <= end) {
    if (v128.any_true(v128.xor(v128.load(b), v128.load(at)))) return false
    b += 16
    at += 16
  }
  while (at + 4 <= end) {
    if (load<u32>(b) != load<u32>(at)) return false
    b += 4
    at += 4
  }
  while (at < end) if (load<u8>(b++) != load<u8>(at++)) return false
  return true
}

function skipLabels(body: u32, seriesEnd: u32): u32 {
  let at = body
  while (at < seriesEnd && load<u8>(at) == 0x0a) {
    let length: u32 = load<u8>(at + 1)
    at += 2
    if (length > 127) {
      length = (length & 127) | (<u32>load<u8>(at++) << 7)
      if (length > 0x3fff) return 0
    }
    at += length
  }
  return at > seriesEnd || at == body ? 0 : at
}

function hashBytes(start: u32, end: u32): u32 {
  const seed = load<u32>(SEED)
  let a = seed
  let b = seed ^ 0x9e3779b9
  let at = start
  for (; at + 8 <= end; at += 8) {
    a = (a ^ load<u32>(at)) * 0x85ebca6b
    b = (b ^ load<u32>(at + 4)) * 0xc2b2ae35
    a ^= a >>> 15
    b ^= b >>> 13
  }
  const left = end - at
  const low: u32 = left == 0 ? 0 : left >= 4 ? load<u32>(at) : load<u32>(at) & (((<u32>1) << (8 * left)) - 1)
  const high: u32 = left <= 4 ? 0 : load<u32>(at + 4) & (((<u32>1) << (8 * (left - 4))) - 1)
  a = (a ^ low ^ (end - start)) * 0x85ebca6b
  b = (b ^ high) * 0xc2b2ae35
  let hash = a ^ rotl<u32>(b, 15)
  hash = (hash ^ (hash >>> 16)) * 0x85ebca6b
  hash = (hash ^ (hash >>> 13)) * 0xc2b2ae35
  return hash ^ (hash >>> 16)
}

function find(hash: u32, start: u32, end: u32): u32 {
  const mask = load<u32>(TABLE_MASK)
  const tableAt = load<u32>(TABLE_AT)
  const entriesAt = load<u32>(ENTRIES_AT)
  let slot = hash & mask
  let entry = load<u32>(tableAt + 8 * slot + 4)
  while (entry != 0) {
    if (load<u32>(tableAt + 8 * slot) == hash) {
      const entryAt = entriesAt + entry * ENTRY_BYTES
      if (load<u32>(entryAt + ENTRY_LENGTH) == end - start && same(load<u32>(entryAt + ENTRY_BLOCK), start, end)) return entry
    }
    slot = (slot + 1) & mask
    entry = load<u32>(tableAt + 8 * slot + 4)
  }
  return 0
}

// @ts-ignore: decorator
@inline
function takeSamples(entryAt: u32, entry: u32, start: u32, end: u32): i32 {
  const partition = load<u32>(entryAt + ENTRY_PARTITION)
  const number = load<u32>(entryAt + ENTRY_NUMBER)
  const capacity = load<u32>(COLUMN_CAPACITY)
  const numbers = load<u32>(NUMBERS_AT) + 4 * partition * capacity
  const times = load<u32>(TIMES_AT) + 8 * partition * capacity
  const values = load<u32>(VALUES_AT) + 8 * partition * capacity
  const timeMin = load<f64>(DOUBLES)
  const timeMax = load<f64>(DOUBLES + 8)
  const first = load<u32>(COUNTS + 4 * partition)
  let count = first
  let at = start
  while (at < end) {
    const length: u32 = load<u8>(at + 1)
    const sampleEnd = at + 2 + length
    if (load<u8>(at) != 0x12 || length > 127 || sampleEnd > end) return OTHER
    at += 2
    let value: u64 = 0
    if (load<u8>(at) == 0x09 && at + 9 <= sampleEnd) {
      value = load<u64>(at + 1)
      at += 9
    }
    if (at + 7 != sampleEnd || load<u8>(at) != 0x10) return OTHER
    const t = load<u32>(at + 1)
    const u: u32 = load<u16>(at + 5)
    if ((t & 0x80808080) != 0x80808080 || (u & 0x8080) != 0x80) return OTHER
    const low = (t & 0x7f) | ((t >>> 1) & 0x3f80) | ((t >>> 2) & 0x1fc000) | ((t >>> 3) & 0xfe00000)
    const high = (u & 0x7f) | ((u >>> 1) & 0x3f80)
    const time = <f64>((<u64>high << 28) | <u64>low)
    if (!(time >= timeMin && time <= timeMax)) return OTHER
    if (count == capacity) return FULL
    store<u32>(numbers + 4 * count, number)
    store<f64>(times + 8 * count, time)
    store<u64>(values + 8 * count, value)
    count++
    at = sampleEnd
  }
  if (count == first) return DONE
  if (load<u32>(entryAt + ENTRY_DUE) <= load<u32>(NOW_UNITS) && load<u32>(entryAt + ENTRY_STAMP) != load<u32>(STAMP)) {
    if (!noteDue(entryAt, entry)) return FULL
  }
  store<u32>(COUNTS + 4 * partition, count)
  store<u32>(SAMPLES, load<u32>(SAMPLES) + count - first)
  return DONE
}

function noteDue(entryAt: u32, entry: u32): bool {
  const count = load<u32>(DUE_COUNT)
  const labelBytes = load<u32>(DUE_BYTES) + load<u32>(entryAt + ENTRY_LENGTH)
  if (count > 0 && (count == load<u32>(DUE_CAPACITY) || labelBytes > load<u32>(DUE_BYTES_MAX))) return false
  store<u32>(load<u32>(DUE_AT) + 4 * count, entry)
  store<u32>(DUE_COUNT, count + 1)
  store<u32>(DUE_BYTES, labelBytes)
  store<u32>(entryAt + ENTRY_STAMP, load<u32>(STAMP))
  return true
}
