import { sharedTableBytes } from './shared-table.ts'

/**
 * The memory that the projector writes and query workers read: plain SharedArrayBuffers, reserved at their greatest size (an untouched
 * page costs nothing) and passed to every thread once.
 */
export interface HeadMemory {
  readonly limits: HeadLimits
  readonly control: SharedArrayBuffer
  readonly index: IndexMemory
  readonly generations: readonly GenerationMemory[]
}

export interface HeadLimits {
  readonly seriesMax: number
  readonly symbolsMax: number
  readonly symbolBytesMax: number
  readonly partitions: number
  /** Threads that read. */
  readonly readers: number
  /** Bytes of samples in one generation of the head. */
  readonly arenaBytes: number
}

export interface IndexMemory {
  readonly symbolBytes: SharedArrayBuffer
  readonly symbolEnds: SharedArrayBuffer
  readonly symbolHashes: SharedArrayBuffer
  readonly symbolTable: SharedArrayBuffer
  /** By symbol: newest label pair whose name it is, + 1. */
  readonly symbolFirstPair: SharedArrayBuffer
  /** Symbols that are names of labels, in order of appearance. */
  readonly names: SharedArrayBuffer
  readonly pairNames: SharedArrayBuffer
  readonly pairValues: SharedArrayBuffer
  readonly pairHashes: SharedArrayBuffer
  readonly pairTable: SharedArrayBuffer
  /** The pair of the same name that came before this one, + 1. */
  readonly pairPrevious: SharedArrayBuffer
  readonly pairCounts: SharedArrayBuffer
  readonly pairFirstChunk: SharedArrayBuffer
  readonly postings: SharedArrayBuffer
  readonly seriesEnds: SharedArrayBuffer
  readonly seriesPairs: SharedArrayBuffer
  readonly seriesIdentities: SharedArrayBuffer
  readonly seriesHashes: SharedArrayBuffer
  readonly seriesTable: SharedArrayBuffer
  readonly seriesPartitions: SharedArrayBuffer
  readonly seriesMinTimes: SharedArrayBuffer
  readonly seriesMaxTimes: SharedArrayBuffer
}

export interface GenerationMemory {
  readonly arena: SharedArrayBuffer
  /** By series: first word of its first chunk, 0 = none. */
  readonly firstChunks: SharedArrayBuffer
  /** By series: 1 once its samples came out of order. */
  readonly unordered: SharedArrayBuffer
}

/** Active, being flushed, flushed and waiting for a reader to leave, free: four are always enough for one flush at a time. */
export const GENERATIONS = 4

const LABELS_PER_SERIES = 16

export function allocateHeadMemory(limits: HeadLimits): HeadMemory {
  const { seriesMax, symbolsMax, symbolBytesMax } = limits
  const u32 = (count: number) => new SharedArrayBuffer(4 * count)
  const pairsMax = symbolsMax
  return {
    limits,
    control: new SharedArrayBuffer(64 * 1024),
    index: {
      symbolBytes: new SharedArrayBuffer(symbolBytesMax),
      symbolEnds: u32(symbolsMax + 1),
      symbolHashes: u32(symbolsMax),
      symbolTable: new SharedArrayBuffer(sharedTableBytes(symbolsMax)),
      symbolFirstPair: u32(symbolsMax),
      names: u32(symbolsMax),
      pairNames: u32(pairsMax),
      pairValues: u32(pairsMax),
      pairHashes: u32(pairsMax),
      pairTable: new SharedArrayBuffer(sharedTableBytes(pairsMax)),
      pairPrevious: u32(pairsMax),
      pairCounts: u32(pairsMax),
      pairFirstChunk: u32(pairsMax),
      postings: u32(seriesMax * LABELS_PER_SERIES * 2 + pairsMax * 8),
      seriesEnds: u32(seriesMax + 1),
      seriesPairs: u32(seriesMax * LABELS_PER_SERIES),
      seriesIdentities: u32(4 * seriesMax),
      seriesHashes: u32(seriesMax),
      seriesTable: new SharedArrayBuffer(sharedTableBytes(seriesMax)),
      seriesPartitions: new SharedArrayBuffer(seriesMax),
      seriesMinTimes: new SharedArrayBuffer(8 * seriesMax),
      seriesMaxTimes: new SharedArrayBuffer(8 * seriesMax),
    },
    generations: Array.from({ length: GENERATIONS }, () => ({
      arena: new SharedArrayBuffer(limits.arenaBytes),
      firstChunks: u32(seriesMax),
      unordered: new SharedArrayBuffer(seriesMax),
    })),
  }
}
