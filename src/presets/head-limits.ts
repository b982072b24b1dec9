import type { HeadLimits } from '../projections/series/head-memory.ts'

/**
 * How much address space the head reserves; only what is used becomes memory.
 * @param headBytesMax bound on the samples of the head
 */
export function headLimits(options: { partitions: number; readers: number; headBytesMax: number }): HeadLimits {
  const seriesMax = 4_000_000
  return {
    seriesMax,
    symbolsMax: 8_000_000,
    symbolBytesMax: 2 ** 30,
    partitions: options.partitions,
    readers: options.readers,
    // Two generations are full at the same time at most: one being flushed, one taking what comes.
    arenaBytes: Math.max(64 * 2 ** 20, Math.floor(options.headBytesMax / 2)),
  }
}
