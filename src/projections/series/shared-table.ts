import { invariant } from '../../stdx/invariant.ts'

/**
 * A hash table in shared memory: one thread inserts, any thread looks up, nothing is ever removed.
 *
 * The table holds ids (stored + 1, 0 = empty) and knows nothing of keys: the caller gives a hash and says whether an id is the one.
 * It grows by doubling without moving what readers look at: a table of 2^k slots lies at words [2^k, 2^(k+1)) of one reserved
 * buffer. The writer fills the next region, then publishes its size; a reader in the old region misses only what came after.
 * Untouched regions cost address space, not memory.
 *
 *   word 0        1..2^MIN-1   2^k ......... 2^(k+1)-1
 *   current k     unused       slots of the table of size k
 */
const BITS_MIN = 8

export function sharedTableBytes(idsMax: number): number {
  const bitsMax = Math.max(BITS_MIN, Math.ceil(Math.log2(idsMax * 2)))
  return 4 * 2 ** (bitsMax + 1)
}

export class SharedTable {
  readonly #words: Uint32Array
  /** Hashes by id; shared, written before the id is published. */
  readonly #hashes: Uint32Array

  constructor(table: SharedArrayBuffer, hashes: SharedArrayBuffer) {
    this.#words = new Uint32Array(table)
    this.#hashes = new Uint32Array(hashes)
    Atomics.compareExchange(this.#words, 0, 0, BITS_MIN)
  }

  /** The id that has this hash and for which `is(id)`; -1 if there is none. */
  find(hash: number, is: (id: number) => boolean): number {
    const size = 2 ** Atomics.load(this.#words, 0)
    const mask = size - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const stored = Atomics.load(this.#words, size + slot)
      if (stored === 0) return -1
      if (this.#hashes[stored - 1] === hash >>> 0 && is(stored - 1)) return stored - 1
    }
  }

  /** Adds an id that is not in the table; ids are given out from 0 upwards, so `id` is also the number of ids before it. */
  insert(hash: number, id: number): void {
    this.#hashes[id] = hash >>> 0
    let bits = Atomics.load(this.#words, 0)
    if ((id + 1) * 2 > 2 ** bits) {
      bits += 1
      invariant(2 ** (bits + 1) <= this.#words.length, 'a shared table is full')
      for (let other = 0; other < id; other++) this.#place(2 ** bits, this.#hashes[other], other)
      this.#place(2 ** bits, hash >>> 0, id)
      Atomics.store(this.#words, 0, bits)
      return
    }
    this.#place(2 ** bits, hash >>> 0, id)
  }

  #place(size: number, hash: number, id: number): void {
    const mask = size - 1
    let slot = hash & mask
    while (this.#words[size + slot] !== 0) slot = (slot + 1) & mask
    Atomics.store(this.#words, size + slot, id + 1)
  }
}
