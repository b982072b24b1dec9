/**
 * What a disk holds when the power goes, worked out from a trace of system calls:
 * - a file's bytes are those of its last fsync or fdatasync that returned, and of the writes that had returned when it was called;
 * - an entry of a folder (a creation, a rename, a removal) is what it was at the folder's last fsync.
 * Real file systems keep more, in whatever order suits them: `survives` lets any part of the unsynced writes through.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Call } from './trace.ts'

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }

class DiskFile {
  durable = Buffer.alloc(0)
  durableLength = 0
  readonly unsynced: Change[] = []
  #synced = 0

  /** How many changes it has had so far. */
  get changes(): number {
    return this.#synced + this.unsynced.length
  }

  /** The first `changes` of them are on disk. */
  sync(changes: number): void {
    for (const change of this.unsynced.splice(0, Math.max(0, changes - this.#synced))) {
      this.apply(change)
      this.#synced++
    }
  }

  apply(change: Change): void {
    if (change.kind === 'truncate') {
      this.durable.fill(0, Math.min(change.length, this.durable.length))
      this.durableLength = change.length
      this.#grow(change.length)
      return
    }
    const end = change.at + change.data.length
    this.#grow(end)
    change.data.copy(this.durable, change.at)
    this.durableLength = Math.max(this.durableLength, end)
  }

  copy(): DiskFile {
    const copy = new DiskFile()
    copy.durable = Buffer.from(this.durable)
    copy.durableLength = this.durableLength
    return copy
  }

  #grow(length: number): void {
    if (length <= this.durable.length) return
    const grown = Buffer.alloc(Math.max(length, 2 * this.durable.length))
    this.durable.copy(grown)
    this.durable = grown
  }
}

class DiskFolder {
  readonly entries = new Map<string, DiskFile | DiskFolder>()
  durable: ReadonlyMap<string, DiskFile | DiskFolder> = new Map()
}

/** Follows the calls that concern one folder, up to a moment. */
export class PowerCutDisk {
  readonly #root: string
  readonly #folder = new DiskFolder()
  readonly #steps: { readonly at: number; readonly run: () => void }[] = []
  #next = 0

  /** @param root an existing, empty folder; what lies in it is followed */
  constructor(root: string, calls: readonly Call[]) {
    this.#root = root
    for (const call of calls) this.#plan(call)
    this.#steps.sort((a, b) => a.at - b.at)
  }

  /** Runs everything that happened up to a line of the trace. */
  advance(line: number): void {
    for (; this.#next < this.#steps.length && this.#steps[this.#next]!.at <= line; this.#next++) this.#steps[this.#next]!.run()
  }

  /** Writes what survives into another folder. */
  restore(target: string, survives: () => boolean): void {
    this.#restore(this.#folder, target, survives)
  }

  #restore(folder: DiskFolder, target: string, survives: () => boolean): void {
    mkdirSync(target, { recursive: true })
    for (const [name, entry] of folder.durable) {
      if (entry instanceof DiskFolder) {
        this.#restore(entry, join(target, name), survives)
        continue
      }
      // Shared memory of SQLite, never synced: it makes it anew.
      if (name.endsWith('-shm')) continue
      const file = entry.unsynced.length > 0 ? entry.copy() : entry
      for (const change of entry.unsynced) if (survives()) file.apply(change)
      writeFileSync(join(target, name), file.durable.subarray(0, file.durableLength))
    }
  }

  #plan(call: Call): void {
    const { name, startedAt, returnedAt, result } = call
    if (result < 0) return
    const at = (line: number, run: () => void) => this.#steps.push({ at: line, run })
    switch (name) {
      case 'openat':
      case 'creat':
        if (name === 'creat' || call.rest.includes('O_CREAT')) at(returnedAt, () => this.#create(call.strings[0]!.toString()))
        if (call.rest.includes('O_TRUNC')) at(returnedAt, () => this.#change(call.strings[0]!.toString(), { kind: 'truncate', length: 0 }))
        return
      case 'mkdir':
        return void at(returnedAt, () => this.#put(call.strings[0]!.toString(), new DiskFolder()))
      case 'unlink':
      case 'rmdir':
        return void at(returnedAt, () => this.#remove(call.strings[0]!.toString()))
      case 'rename':
        return void at(returnedAt, () => {
          const [from, to] = call.strings.map(String) as [string, string]
          this.#put(to, this.#remove(from) as DiskFile | DiskFolder)
        })
      case 'pwrite64':
      case 'pwritev':
        return void at(returnedAt, () => this.#change(call.path, { kind: 'write', at: offsetOf(call), data: dataOf(call) }))
      case 'ftruncate':
        return void at(returnedAt, () => this.#change(call.path, { kind: 'truncate', length: offsetOf(call) }))
      case 'fsync':
      case 'fdatasync':
        return void this.#planSync(call.path, startedAt, returnedAt)
      case 'write':
      case 'writev': {
        // The only file that is written at its cursor is the one with the process id, in one go.
        if (basename(call.path) !== 'pid') throw new Error(`${name} to ${call.path}: its position is not known`)
        return void at(returnedAt, () => this.#change(call.path, { kind: 'write', at: 0, data: dataOf(call) }))
      }
      default:
        throw new Error(`the model of a disk does not know ${name}`)
    }
  }

  #planSync(path: string, startedAt: number, returnedAt: number): void {
    let seal = () => {}
    this.#steps.push({
      at: startedAt,
      run: () => {
        const entry = this.#find(path)
        if (entry instanceof DiskFolder) {
          const entries = new Map(entry.entries)
          seal = () => {
            entry.durable = entries
          }
        } else if (entry) {
          const { changes } = entry
          seal = () => entry.sync(changes)
        }
      },
    })
    this.#steps.push({ at: returnedAt, run: () => seal() })
  }

  #change(path: string, change: Change): void {
    const file = this.#find(path)
    // A file that was removed while it was open is nobody's.
    if (file instanceof DiskFile) file.unsynced.push(change)
  }

  #create(path: string): void {
    if (this.#find(path) === undefined) this.#put(path, new DiskFile())
  }

  #put(path: string, entry: DiskFile | DiskFolder): void {
    this.#parent(path).entries.set(basename(path), entry)
  }

  #remove(path: string): DiskFile | DiskFolder | undefined {
    const { entries } = this.#parent(path)
    const entry = entries.get(basename(path))
    entries.delete(basename(path))
    return entry
  }

  #parent(path: string): DiskFolder {
    const parent = this.#find(dirname(path))
    if (!(parent instanceof DiskFolder)) throw new Error(`${dirname(path)} is no folder of the model`)
    return parent
  }

  #find(path: string): DiskFile | DiskFolder | undefined {
    if (path === this.#root) return this.#folder
    let entry: DiskFile | DiskFolder | undefined = this.#folder
    for (const name of path.slice(this.#root.length + 1).split('/')) {
      entry = entry instanceof DiskFolder ? entry.entries.get(name) : undefined
    }
    return entry
  }
}

/** Bytes that a write wrote. */
export function dataOf(call: Call): Buffer {
  const data = call.strings.length === 1 ? call.strings[0]! : Buffer.concat(call.strings)
  if (!call.isCut) return data.subarray(0, call.result)
  if (!call.path.includes('spare')) throw new Error(`the trace does not hold all ${call.result} bytes written to ${call.path}`)
  // Files made ahead hold nothing but zeros.
  if (data.some((byte) => byte !== 0)) throw new Error(`${call.path} is not made of zeros`)
  return Buffer.alloc(call.result)
}

/** The last number: offset of a write, length of a truncation. */
function offsetOf(call: Call): number {
  return Number(/(\d+)\s*$/.exec(call.rest)?.[1])
}
