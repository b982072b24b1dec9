import type { HeadLimits } from '../projections/series/head-memory.ts'

/**
 * How much address space the head reserves; only what is used becomes memory.
 * @param headBytesMax bound on the samples of the head
 * @param indexSeriesMax bound on the series of the index
 */
export function headLimits(options: { partitions: number; readers: number; headBytesMax: number; indexSeriesMax: number }): HeadLimits {
  return {
    seriesMax: options.indexSeriesMax,
    symbolsMax: 2 * options.indexSeriesMax,
    symbolBytesMax: Math.max(2 ** 24, 268 * options.indexSeriesMax),
    partitions: options.partitions,
    readers: options.readers,
    // Two generations are full at the same time at most: one being flushed, one taking what comes.
    arenaBytes: Math.max(64 * 2 ** 20, Math.floor(options.headBytesMax / 2)),
  }
}
