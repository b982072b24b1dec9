import { compareSampleBits } from '../../domain/sample.ts'

/** Some samples of one series: ascending times unless `unordered`. */
export interface Piece {
  readonly times: Float64Array
  readonly values: Float64Array
  readonly unordered: boolean
}

/** Columns of one series. */
export interface Columns {
  readonly times: Float64Array
  readonly values: Float64Array
}

const EMPTY: Columns = { times: new Float64Array(0), values: new Float64Array(0) }

/**
 * Merges pieces of one series into columns of strictly ascending time, one sample per time (the winner by its value, see sample.ts).
 * Pieces may overlap, repeat each other, come in any order: the result is the same.
 */
export function mergePieces(pieces: readonly Piece[]): Columns {
  if (pieces.length === 0) return EMPTY
  if (pieces.length === 1 && !pieces[0].unordered) return pieces[0]
  const sorted = pieces.filter((piece) => piece.times.length > 0)
  if (sorted.every((piece) => !piece.unordered)) {
    sorted.sort((a, b) => a.times[0] - b.times[0])
    if (sorted.every((piece, i) => i === 0 || piece.times[0] > lastOf(sorted[i - 1].times))) return concatenate(sorted)
  }
  return sortAndDedupe(concatenate(sorted))
}

function lastOf(times: Float64Array): number {
  return times[times.length - 1]
}

function concatenate(pieces: readonly Piece[]): Columns {
  if (pieces.length === 1) return pieces[0]
  let length = 0
  for (const piece of pieces) length += piece.times.length
  const times = new Float64Array(length)
  const values = new Float64Array(length)
  let at = 0
  for (const piece of pieces) {
    times.set(piece.times, at)
    values.set(piece.values, at)
    at += piece.times.length
  }
  return { times, values }
}

/** Sorts by time and keeps the winner of each time. Values move as bits. */
export function sortAndDedupe(columns: Columns): Columns {
  const { times, values } = columns
  const order = new Uint32Array(times.length)
  for (let i = 0; i < order.length; i++) order[i] = i
  order.sort((a, b) => times[a] - times[b])
  const bits = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length)
  const outTimes = new Float64Array(times.length)
  const outBits = new Uint32Array(2 * times.length)
  let end = 0
  for (let i = 0; i < order.length; i++) {
    const from = order[i]
    if (end > 0 && outTimes[end - 1] === times[from]) {
      if (compareSampleBits(bits[2 * from + 1], bits[2 * from], outBits[2 * end - 1], outBits[2 * end - 2]) <= 0) continue
      end--
    }
    outTimes[end] = times[from]
    outBits[2 * end] = bits[2 * from]
    outBits[2 * end + 1] = bits[2 * from + 1]
    end++
  }
  return { times: outTimes.slice(0, end), values: new Float64Array(outBits.buffer, 0, end) }
}

/** First index whose time is greater than `time`. */
export function upperBound(times: Float64Array, time: number): number {
  let low = 0
  let high = times.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (times[middle] > time) high = middle
    else low = middle + 1
  }
  return low
}
