import { EngineError } from '../../domain/errors.ts'
import type { Control } from './control.ts'
import type { IndexMemory } from './head-memory.ts'
import { SharedTable } from './shared-table.ts'

const INTERNED_MAX = 100_000
const encoder = new TextEncoder()

/** FNV-1a over bytes: the tables verify, so only spread matters. */
function hashBytes(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
  return hash ^ (hash >>> 15)
}

/** Strings (label names and values) by dense id, in shared memory. One thread adds, all read. */
export class Symbols {
  readonly #control: Control
  readonly #bytes: Buffer
  readonly #ends: Uint32Array
  readonly #table: SharedTable
  readonly #strings: string[] = []
  readonly #symbolsMax: number
  /** The writer's own: most labels of new series have been seen a moment ago. */
  readonly #interned = new Map<string, number>()

  constructor(memory: IndexMemory, control: Control) {
    this.#control = control
    this.#bytes = Buffer.from(memory.symbolBytes)
    this.#ends = new Uint32Array(memory.symbolEnds)
    this.#table = new SharedTable(memory.symbolTable, memory.symbolHashes)
    this.#symbolsMax = this.#ends.length - 1
  }

  string(id: number): string {
    return (this.#strings[id] ??= this.#bytes.toString('utf8', id === 0 ? 0 : this.#ends[id - 1], this.#ends[id]))
  }

  /** @returns -1 if there is no such string. */
  find(text: string): number {
    const bytes = encoder.encode(text)
    return this.#find(bytes, hashBytes(bytes))
  }

  /** The id of a string, added if it is new (writer only). */
  intern(text: string): number {
    const cached = this.#interned.get(text)
    if (cached !== undefined) return cached
    const id = this.#internBytes(text)
    if (this.#interned.size >= INTERNED_MAX) this.#interned.clear()
    this.#interned.set(text, id)
    return id
  }

  #internBytes(text: string): number {
    const bytes = encoder.encode(text)
    const hash = hashBytes(bytes)
    const known = this.#find(bytes, hash)
    if (known !== -1) return known
    const id = this.#control.symbolCount
    const start = id === 0 ? 0 : this.#ends[id - 1]
    if (id >= this.#symbolsMax || start + bytes.length > this.#bytes.length) {
      throw new EngineError('INDEX_FULL', `the label index is full at ${id} different strings of ${start} bytes: raise the head's memory`, {
        retryable: false,
      })
    }
    this.#bytes.set(bytes, start)
    this.#ends[id] = start + bytes.length
    this.#strings[id] = text
    this.#table.insert(hash, id)
    this.#control.symbolCount = id + 1
    return id
  }

  /** How full ids or bytes are, from 0 to 1. */
  fullness(): number {
    const count = this.#control.symbolCount
    return Math.max(count / this.#symbolsMax, count === 0 ? 0 : this.#ends[count - 1] / this.#bytes.length)
  }

  #find(bytes: Uint8Array, hash: number): number {
    return this.#table.find(hash, (id) => {
      const start = id === 0 ? 0 : this.#ends[id - 1]
      if (this.#ends[id] - start !== bytes.length) return false
      for (let i = 0; i < bytes.length; i++) if (this.#bytes[start + i] !== bytes[i]) return false
      return true
    })
  }
}
