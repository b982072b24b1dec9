/**
 * The memory of the remote-write kernel: one linear memory, so that the TypeScript and the WebAssembly twin work on the same bytes.
 *
 *   control | due list | columns of each partition | input | plain | entries | hash table | label blocks ->
 *
 * An *entry* is one block of raw label bytes that was seen, validated and given a (partition, number): the alias cache. Entry 0 stands for
 * the beginning of a request. Memory that is not touched costs nothing but addresses; the blocks at the end grow with use.
 *
 *   entry, 8 words:  0 block address | 1 block length | 2 hash | 3 entry that followed it last | 4 number | 5 partition | 6 due | 7 stamp
 *   slot, 2 words:   0 hash | 1 entry, 0 = free
 */
export const WORD = {
  at: 0,
  end: 1,
  previous: 2,
  stamp: 3,
  dueCount: 4,
  dueBytes: 5,
  nowUnits: 6,
  hits: 7,
  predicted: 8,
  /** Of the series that `walk` stopped at. */
  fieldStart: 9,
  labelsStart: 10,
  labelsEnd: 11,
  hash: 12,
  seed: 13,
  tableMask: 14,
  tableAt: 15,
  entriesAt: 16,
  dueAt: 17,
  numbersAt: 18,
  timesAt: 19,
  valuesAt: 20,
  columnCapacity: 21,
  dueCapacity: 22,
  dueBytesMax: 23,
  samples: 24,
  /** The count of samples of partition p is at word counts + p. */
  counts: 64,
} as const
export const PARTITIONS_MAX = 256
/** Index into the doubles at DOUBLES_AT: bounds on times, both inclusive. */
export const DOUBLE = { timeMin: 0, timeMax: 1 } as const
export const DOUBLES_AT = 2048
export const ENTRY_WORDS = 8
export const ENTRY = { block: 0, length: 1, hash: 2, next: 3, number: 4, partition: 5, due: 6, stamp: 7 } as const

const CONTROL_BYTES = 4096
const SLACK = 64
const PAGE = 65536
const GROWTH_MIN = 16 * 2 ** 20

export interface WriteMemoryOptions {
  readonly partitions: number
  /** Compressed and decompressed bytes of one request. */
  readonly inputBytesMax: number
  readonly plainBytesMax: number
  readonly entriesMax: number
  readonly blockBytesMax: number
  /** Samples of one partition before they must be taken away. */
  readonly columnCapacity: number
  readonly dueCapacity: number
  /** Label bytes of series to be declared before they must be taken away. */
  readonly dueBytesMax: number
  readonly seed: number
}

export class WriteMemory {
  readonly options: WriteMemoryOptions
  readonly memory: WebAssembly.Memory
  readonly inputAt: number
  readonly plainAt: number
  bytes!: Uint8Array
  words!: Uint32Array
  view!: DataView
  doubles!: Float64Array
  #entries = 1
  readonly #blocksAt: number
  #blockEnd: number
  #columns: { numbers: Uint32Array; times: Float64Array; values: Float64Array; valueBits: Uint32Array }[] = []

  constructor(options: WriteMemoryOptions) {
    if (options.partitions > PARTITIONS_MAX) throw new RangeError(`${options.partitions} partitions, at most ${PARTITIONS_MAX}`)
    this.options = options
    let end = CONTROL_BYTES
    const region = (bytes: number) => {
      const at = end
      end += Math.ceil((bytes + SLACK) / 64) * 64
      return at
    }
    const { partitions, columnCapacity: capacity, entriesMax } = options
    const dueAt = region(4 * options.dueCapacity)
    const numbersAt = region(4 * capacity * partitions)
    const timesAt = region(8 * capacity * partitions)
    const valuesAt = region(8 * capacity * partitions)
    this.inputAt = region(options.inputBytesMax)
    this.plainAt = region(options.plainBytesMax)
    const entriesAt = region(4 * ENTRY_WORDS * (entriesMax + 1))
    const tableAt = region(8 * Math.max(1024, powerOfTwo(2 * (entriesMax + 2))))
    this.#blocksAt = end
    this.#blockEnd = end
    const initial = Math.ceil(end / PAGE) + 1
    this.memory = new WebAssembly.Memory({ initial, maximum: initial + Math.ceil((options.blockBytesMax + SLACK) / PAGE) })
    this.#refresh()
    const w = this.words
    w[WORD.dueAt] = dueAt
    w[WORD.numbersAt] = numbersAt
    w[WORD.timesAt] = timesAt
    w[WORD.valuesAt] = valuesAt
    w[WORD.entriesAt] = entriesAt
    w[WORD.tableAt] = tableAt
    w[WORD.tableMask] = 1023
    w[WORD.columnCapacity] = capacity
    w[WORD.dueCapacity] = options.dueCapacity
    w[WORD.dueBytesMax] = options.dueBytesMax
    w[WORD.seed] = options.seed
    // A second time, now that it is known where the columns lie.
    this.#refresh()
  }

  get entryCount(): number {
    return this.#entries - 1
  }

  get blockBytes(): number {
    return this.#blockEnd - this.#blocksAt
  }

  /** The samples of a partition; valid until an entry is added. */
  columns(partition: number): { numbers: Uint32Array; times: Float64Array; values: Float64Array; valueBits: Uint32Array } {
    return this.#columns[partition]
  }

  count(partition: number): number {
    return this.words[WORD.counts + partition]
  }

  entryAt(entry: number): number {
    return (this.words[WORD.entriesAt] >>> 2) + entry * ENTRY_WORDS
  }

  /** The raw label bytes of an entry; valid until an entry is added. */
  block(entry: number): Uint8Array {
    const at = this.entryAt(entry)
    const start = this.words[at + ENTRY.block]
    return this.bytes.subarray(start, start + this.words[at + ENTRY.length])
  }

  /** Forgets samples and series to be declared, not entries. */
  clearSamples(): void {
    this.words.fill(0, WORD.counts, WORD.counts + this.options.partitions)
    this.words[WORD.dueCount] = 0
    this.words[WORD.dueBytes] = 0
    // The stamp says which entries are in the due list already.
    this.words[WORD.stamp] = this.words[WORD.stamp] + 1
  }

  /** Whether another entry with a block of this length has room. */
  hasRoom(length: number): boolean {
    return this.#entries <= this.options.entriesMax && this.blockBytes + length + SLACK <= this.options.blockBytesMax
  }

  /** Adds an entry for the bytes at [start, end) of this memory or of `from`, whose hash is known. @returns the entry */
  add(from: Uint8Array, hash: number, partition: number, number: number): number {
    const length = from.length
    const inside = from.buffer === this.memory.buffer
    const start = from.byteOffset
    this.#growBlocks(length)
    const entry = this.#entries++
    const address = this.#blockEnd
    this.bytes.set(inside ? this.bytes.subarray(start, start + length) : from, address)
    this.#blockEnd = address + Math.ceil(length / 8) * 8
    const at = this.entryAt(entry)
    const w = this.words
    w[at + ENTRY.block] = address
    w[at + ENTRY.length] = length
    w[at + ENTRY.hash] = hash
    w[at + ENTRY.next] = 0
    w[at + ENTRY.number] = number
    w[at + ENTRY.partition] = partition
    w[at + ENTRY.due] = 0
    w[at + ENTRY.stamp] = 0
    if (2 * this.#entries > w[WORD.tableMask] + 1) this.#rehash()
    else this.#insert(hash, entry)
    return entry
  }

  /** Every entry must be declared again before it is referred to. */
  makeAllDue(): void {
    for (let entry = 1; entry < this.#entries; entry++) this.words[this.entryAt(entry) + ENTRY.due] = 0
  }

  /** Drops all entries. */
  clearEntries(): void {
    const tableAt = this.words[WORD.tableAt] >>> 2
    this.words.fill(0, tableAt, tableAt + 2 * (this.words[WORD.tableMask] + 1))
    this.#entries = 1
    this.#blockEnd = this.#blocksAt
    this.words[this.entryAt(0) + ENTRY.next] = 0
    this.words[WORD.previous] = 0
  }

  #insert(hash: number, entry: number): void {
    const w = this.words
    const mask = w[WORD.tableMask]
    const tableAt = w[WORD.tableAt] >>> 2
    let slot = hash & mask
    while (w[tableAt + 2 * slot + 1] !== 0) slot = (slot + 1) & mask
    w[tableAt + 2 * slot] = hash
    w[tableAt + 2 * slot + 1] = entry
  }

  #rehash(): void {
    const w = this.words
    const slots = 2 * (w[WORD.tableMask] + 1)
    const tableAt = w[WORD.tableAt] >>> 2
    w.fill(0, tableAt, tableAt + 2 * slots)
    w[WORD.tableMask] = slots - 1
    for (let entry = 1; entry < this.#entries; entry++) this.#insert(w[this.entryAt(entry) + ENTRY.hash], entry)
  }

  #growBlocks(length: number): void {
    const wanted = this.#blockEnd + length + SLACK
    const have = this.memory.buffer.byteLength
    if (wanted <= have) return
    // Twice as much each time, and not in small steps: every one makes all views anew.
    const used = Math.max(have - this.#blocksAt, GROWTH_MIN)
    const most = this.#blocksAt + this.options.blockBytesMax + SLACK
    const pages = Math.ceil((Math.max(wanted, Math.min(have + used, most)) - have) / PAGE)
    this.memory.grow(pages)
    this.#refresh()
  }

  #refresh(): void {
    const { buffer } = this.memory
    this.bytes = new Uint8Array(buffer)
    this.words = new Uint32Array(buffer)
    this.view = new DataView(buffer)
    this.doubles = new Float64Array(buffer, DOUBLES_AT, 16)
    const w = this.words
    const capacity = this.options.columnCapacity
    this.#columns = Array.from({ length: this.options.partitions }, (_, p) => ({
      numbers: new Uint32Array(buffer, w[WORD.numbersAt] + 4 * capacity * p, capacity),
      times: new Float64Array(buffer, w[WORD.timesAt] + 8 * capacity * p, capacity),
      values: new Float64Array(buffer, w[WORD.valuesAt] + 8 * capacity * p, capacity),
      valueBits: new Uint32Array(buffer, w[WORD.valuesAt] + 8 * capacity * p, 2 * capacity),
    }))
  }
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast))
}
