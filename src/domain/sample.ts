/**
 * The rules of one sample. A value is 64 bits, never only a number: arithmetic on a JS number may change a NaN's payload,
 * so special values are told apart by their two 32-bit halves.
 */

/** The staleness marker, a NaN with the bits 0x7ff0000000000002: the series has ended here. */
export const STALE_HIGH = 0x7ff00000
export const STALE_LOW = 0x00000002

export function isStaleBits(high: number, low: number): boolean {
  return high >>> 0 === STALE_HIGH && low >>> 0 === STALE_LOW
}

/** Whether `values[index]` is a staleness marker; `bits` is a Uint32Array over the same memory as the Float64Array (little endian). */
export function isStaleAt(bits: Uint32Array, index: number): boolean {
  return bits[2 * index + 1] === STALE_HIGH && bits[2 * index] === STALE_LOW
}

/** Writes a staleness marker into `bits`, a Uint32Array over the memory of a Float64Array. */
export function setStaleAt(bits: Uint32Array, index: number): void {
  bits[2 * index] = STALE_LOW
  bits[2 * index + 1] = STALE_HIGH
}

/**
 * Of two samples of one series at one time, which stays: a number beats NaN, NaN beats a staleness marker, then the greater in IEEE
 * total order (-0 < 0; NaNs by bits). Commutative, associative, idempotent, so merging needs no order of arrival.
 * @returns positive if a wins, negative if b wins, 0 if they are the same bits.
 */
export function compareSampleBits(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const rank = sampleRank(aHigh, aLow) - sampleRank(bHigh, bLow)
  return rank !== 0 ? rank : compareTotalOrder(aHigh, aLow, bHigh, bLow)
}

function sampleRank(high: number, low: number): number {
  const isNaNBits = (high & 0x7ff00000) === 0x7ff00000 && ((high & 0xfffff) !== 0 || low !== 0)
  if (!isNaNBits) return 2
  return isStaleBits(high, low) ? 0 : 1
}

function compareTotalOrder(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  // Total order of IEEE 754: flip all bits of negative values, the sign bit of positive ones, then compare as unsigned.
  const aFlip = aHigh < 0 || aHigh > 0x7fffffff ? -1 : 0
  const bFlip = bHigh < 0 || bHigh > 0x7fffffff ? -1 : 0
  const ah = (aHigh ^ aFlip ^ (aFlip === 0 ? 0x80000000 : 0)) >>> 0
  const bh = (bHigh ^ bFlip ^ (bFlip === 0 ? 0x80000000 : 0)) >>> 0
  if (ah !== bh) return ah - bh
  return ((aLow ^ aFlip) >>> 0) - ((bLow ^ bFlip) >>> 0)
}
