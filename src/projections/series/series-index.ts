import { EngineError } from '../../domain/errors.ts'
import { Labels, METRIC_NAME } from '../../domain/labels.ts'
import type { Control } from './control.ts'
import type { HeadMemory } from './head-memory.ts'
import { SharedTable } from './shared-table.ts'
import { Symbols } from './symbols.ts'

/**
 * What series there are, in shared memory: labels as pairs of symbols, postings by pair, series by identity. The projector adds, every
 * thread reads. Series ids are dense and given in order of arrival, so postings are ascending without sorting.
 *
 * Postings of a pair are a list of chunks in one arena of words, each twice the size of the one before:
 *   [next chunk, 0 = none][capacity][id, id, ...]
 * A reader takes the pair's published count and walks as far as that.
 */
const CHUNK_IDS_MIN = 4
const CHUNK_IDS_MAX = 4096

export class SeriesIndex {
  readonly control: Control
  readonly symbols: Symbols
  /** First sample's time by series; +Infinity when it has none. */
  readonly minTimes: Float64Array
  /** Last sample's time by series; -Infinity when it has none. */
  readonly maxTimes: Float64Array
  readonly partitions: Uint8Array

  readonly #seriesMax: number
  readonly #symbolFirstPair: Uint32Array
  readonly #names: Uint32Array
  readonly #pairNames: Uint32Array
  readonly #pairValues: Uint32Array
  readonly #pairTable: SharedTable
  readonly #pairPrevious: Uint32Array
  readonly #pairCounts: Uint32Array
  readonly #pairFirstChunk: Uint32Array
  readonly #postings: Uint32Array
  readonly #seriesEnds: Uint32Array
  readonly #seriesPairs: Uint32Array
  readonly #identities: Uint32Array
  readonly #seriesTable: SharedTable

  // Of the writer alone.
  #postingsEnd = 1
  readonly #pairLastChunk: number[] = []
  readonly #pairLastUsed: number[] = []

  // A cache of the thread's own; label sets by series.
  #labels: (Labels | undefined)[] = []
  #labelsCached = 0

  constructor(memory: HeadMemory, control: Control) {
    const index = memory.index
    this.control = control
    this.symbols = new Symbols(index, control)
    this.#seriesMax = memory.limits.seriesMax
    this.#symbolFirstPair = new Uint32Array(index.symbolFirstPair)
    this.#names = new Uint32Array(index.names)
    this.#pairNames = new Uint32Array(index.pairNames)
    this.#pairValues = new Uint32Array(index.pairValues)
    this.#pairTable = new SharedTable(index.pairTable, index.pairHashes)
    this.#pairPrevious = new Uint32Array(index.pairPrevious)
    this.#pairCounts = new Uint32Array(index.pairCounts)
    this.#pairFirstChunk = new Uint32Array(index.pairFirstChunk)
    this.#postings = new Uint32Array(index.postings)
    this.#seriesEnds = new Uint32Array(index.seriesEnds)
    this.#seriesPairs = new Uint32Array(index.seriesPairs)
    this.#identities = new Uint32Array(index.seriesIdentities)
    this.#seriesTable = new SharedTable(index.seriesTable, index.seriesHashes)
    this.partitions = new Uint8Array(index.seriesPartitions)
    this.minTimes = new Float64Array(index.seriesMinTimes)
    this.maxTimes = new Float64Array(index.seriesMaxTimes)
  }

  get seriesCount(): number {
    return this.control.seriesCount
  }

  // Reading, on any thread.

  /** @returns -1 if there is no series of this identity (16 bytes at `at`). */
  findIdentity(identity: Uint8Array, at = 0): number {
    const a = word(identity, at)
    const b = word(identity, at + 4)
    const c = word(identity, at + 8)
    const d = word(identity, at + 12)
    const ids = this.#identities
    return this.#seriesTable.find(a, (id) => ids[4 * id] === a && ids[4 * id + 1] === b && ids[4 * id + 2] === c && ids[4 * id + 3] === d)
  }

  writeIdentity(series: number, into: Uint8Array, at = 0): void {
    for (let i = 0; i < 4; i++) {
      const value = this.#identities[4 * series + i]
      into[at + 4 * i] = value
      into[at + 4 * i + 1] = value >>> 8
      into[at + 4 * i + 2] = value >>> 16
      into[at + 4 * i + 3] = value >>> 24
    }
  }

  labels(series: number): Labels {
    const known = this.#labels[series]
    if (known !== undefined) return known
    const pairs: string[] = []
    for (let at = this.#pairsStart(series); at < this.#seriesEnds[series]; at++) {
      const pair = this.#seriesPairs[at]
      pairs.push(this.symbols.string(this.#pairNames[pair]), this.symbols.string(this.#pairValues[pair]))
    }
    // A bound on what many queries over churning series may pile up.
    if (this.#labelsCached++ > 1_000_000) {
      this.#labels = []
      this.#labelsCached = 0
    }
    return (this.#labels[series] = Labels.fromSortedPairs(pairs))
  }

  /** The value symbol of a label of a series, -1 if it has none. */
  valueOf(series: number, nameSymbol: number): number {
    const pair = this.pairOf(series, nameSymbol)
    return pair === -1 ? -1 : this.#pairValues[pair]
  }

  /** The pair by which a series has a label, -1 if it has none. */
  pairOf(series: number, nameSymbol: number): number {
    for (let at = this.#pairsStart(series); at < this.#seriesEnds[series]; at++) {
      const pair = this.#seriesPairs[at]
      if (this.#pairNames[pair] === nameSymbol) return pair
    }
    return -1
  }

  /** Symbols of the names of a series' labels. */
  *namesOf(series: number): IterableIterator<number> {
    for (let at = this.#pairsStart(series); at < this.#seriesEnds[series]; at++) yield this.#pairNames[this.#seriesPairs[at]]
  }

  #pairsStart(series: number): number {
    return series === 0 ? 0 : this.#seriesEnds[series - 1]
  }

  /** @returns -1 if no series has this label with this value. */
  findPair(nameSymbol: number, valueSymbol: number): number {
    return this.#pairTable.find(
      pairHash(nameSymbol, valueSymbol),
      (id) => this.#pairNames[id] === nameSymbol && this.#pairValues[id] === valueSymbol,
    )
  }

  pairName(pair: number): number {
    return this.#pairNames[pair]
  }
  pairValue(pair: number): number {
    return this.#pairValues[pair]
  }
  /** How many series have this pair, at least (more may be on their way). */
  postingsCount(pair: number): number {
    return Atomics.load(this.#pairCounts, pair)
  }

  /** The newest pair whose name is this symbol, -1 if there is none; go on with `previousPair`. */
  newestPair(nameSymbol: number): number {
    return Atomics.load(this.#symbolFirstPair, nameSymbol) - 1
  }
  previousPair(pair: number): number {
    return this.#pairPrevious[pair] - 1
  }

  /** Appends the series that have a pair, ascending, those below `seriesCount` only. @returns the new end in `into` */
  readPostings(pair: number, seriesCount: number, into: Uint32Array, at: number): number {
    let left = this.postingsCount(pair)
    for (let chunk = this.#pairFirstChunk[pair]; left > 0; chunk = this.#postings[chunk]) {
      const count = Math.min(left, this.#postings[chunk + 1])
      for (let i = 0; i < count; i++) {
        const series = this.#postings[chunk + 2 + i]
        if (series >= seriesCount) return at
        into[at++] = series
      }
      left -= count
    }
    return at
  }

  /** Symbols of all label names. */
  *nameSymbols(): IterableIterator<number> {
    const count = this.control.nameCount
    for (let i = 0; i < count; i++) yield this.#names[i]
  }

  // Writing, on the projector's thread.

  /** The id of a series, added if it is new. */
  add(identity: Uint8Array, labels: Labels, partition: number): number {
    const known = this.findIdentity(identity)
    if (known !== -1) return known
    const id = this.control.seriesCount
    const start = this.#pairsStart(id)
    if (id >= this.#seriesMax || start + labels.size > this.#seriesPairs.length) {
      throw new EngineError('INDEX_FULL', `the index holds its ${id} series: raise the head's series limit`, { retryable: false })
    }
    const pairs = labels.pairs
    for (let i = 0; i < pairs.length; i += 2) this.#seriesPairs[start + i / 2] = this.#internPair(pairs[i], pairs[i + 1])
    this.#seriesEnds[id] = start + labels.size
    for (let i = 0; i < 4; i++) this.#identities[4 * id + i] = word(identity, 4 * i)
    this.partitions[id] = partition
    this.minTimes[id] = Number.POSITIVE_INFINITY
    this.maxTimes[id] = Number.NEGATIVE_INFINITY
    for (let at = start; at < this.#seriesEnds[id]; at++) this.#post(this.#seriesPairs[at], id)
    this.#seriesTable.insert(word(identity, 0), id)
    this.control.seriesCount = id + 1
    return id
  }

  /** How full the fullest part is, from 0 to 1. */
  fullness(): number {
    const series = this.control.seriesCount
    return Math.max(
      series / this.#seriesMax,
      this.#pairsStart(series) / this.#seriesPairs.length,
      this.control.pairCount / this.#pairNames.length,
      this.#postingsEnd / this.#postings.length,
      this.symbols.fullness(),
    )
  }

  #internPair(name: string, value: string): number {
    const nameSymbol = this.symbols.intern(name)
    const valueSymbol = this.symbols.intern(value)
    const known = this.findPair(nameSymbol, valueSymbol)
    if (known !== -1) return known
    const id = this.control.pairCount
    if (id >= this.#pairNames.length)
      throw new EngineError('INDEX_FULL', `the label index holds its ${id} label pairs: raise the head's memory`, { retryable: false })
    this.#pairNames[id] = nameSymbol
    this.#pairValues[id] = valueSymbol
    this.#pairTable.insert(pairHash(nameSymbol, valueSymbol), id)
    const previous = this.#symbolFirstPair[nameSymbol]
    this.#pairPrevious[id] = previous
    if (previous === 0) {
      const names = this.control.nameCount
      this.#names[names] = nameSymbol
      this.control.nameCount = names + 1
    }
    Atomics.store(this.#symbolFirstPair, nameSymbol, id + 1)
    this.control.pairCount = id + 1
    return id
  }

  #post(pair: number, series: number): void {
    const count = this.#pairCounts[pair]
    if (count === 0 || this.#pairLastUsed[pair] === this.#postings[this.#pairLastChunk[pair] + 1]) this.#grow(pair, count === 0)
    this.#postings[this.#pairLastChunk[pair] + 2 + this.#pairLastUsed[pair]++] = series
    Atomics.store(this.#pairCounts, pair, count + 1)
  }

  #grow(pair: number, first: boolean): void {
    const last = this.#pairLastChunk[pair]
    const capacity = first ? CHUNK_IDS_MIN : Math.min(CHUNK_IDS_MAX, 2 * this.#postings[last + 1])
    const chunk = this.#postingsEnd
    if (chunk + 2 + capacity > this.#postings.length)
      throw new EngineError('INDEX_FULL', "the postings are full: raise the head's series limit", { retryable: false })
    this.#postingsEnd += 2 + capacity
    this.#postings[chunk + 1] = capacity
    if (first) this.#pairFirstChunk[pair] = chunk
    else this.#postings[last] = chunk
    this.#pairLastChunk[pair] = chunk
    this.#pairLastUsed[pair] = 0
  }

  /** The symbol of `__name__`, -1 before the first series. */
  get metricNameSymbol(): number {
    return this.symbols.find(METRIC_NAME)
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

function pairHash(name: number, value: number): number {
  let hash = Math.imul(name, 0x9e3779b1) ^ Math.imul(value + 1, 0x85ebca6b)
  hash ^= hash >>> 15
  hash = Math.imul(hash, 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
