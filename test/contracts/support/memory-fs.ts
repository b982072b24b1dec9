import type { LogFile, LogFs } from '../../../src/engines/embedded/log/log-fs.ts'

/** Uniform in [0, 1). */
export type Chance = () => number

const SECTOR = 512

interface Write {
  readonly at: number
  readonly bytes: Buffer
}

/** A file: what programs see, what the disk holds, and what is on its way there. */
class Inode {
  seen: Buffer = Buffer.alloc(0)
  disk: Buffer = Buffer.alloc(0)
  dirty: Write[] = []
}

export type Operation = 'write' | 'datasync' | 'open' | 'rename' | 'syncFolder' | 'remove' | 'read'

/**
 * A file system in memory that forgets what was not synced, as disks do: by sectors, any of them. A failed sync leaves its writes in the
 * page cache and marks them clean, as Linux does: no later sync brings them to disk.
 */
export class MemoryFs implements LogFs {
  readonly entries = new Map<string, Inode>()
  readonly durableEntries = new Map<string, Inode>()
  /** Throws to make an operation fail. A failing write may have written a part, a failing sync may have synced a part. */
  fault: (operation: Operation, path: string) => void = () => {}
  syncs = 0
  #folderChanges: ((entries: Map<string, Inode>) => void)[] = []
  readonly #chance: Chance

  constructor(chance: Chance = () => 0) {
    this.#chance = chance
  }

  async mkdir(): Promise<void> {}

  async list(folder: string): Promise<string[]> {
    return [...this.entries.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1))
  }

  async open(path: string, mode: 'create' | 'write' | 'read'): Promise<LogFile> {
    this.fault('open', path)
    let inode = this.entries.get(path)
    if (inode === undefined) {
      if (mode !== 'create') throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' })
      const made = new Inode()
      inode = made
      this.#change((entries) => entries.set(path, made))
    }
    return this.#file(path, inode)
  }

  async rename(from: string, to: string): Promise<void> {
    this.fault('rename', from)
    this.#change((entries) => {
      const inode = entries.get(from)
      if (inode === undefined) return
      entries.delete(from)
      entries.set(to, inode)
    })
  }

  async remove(path: string): Promise<void> {
    this.fault('remove', path)
    this.#change((entries) => entries.delete(path))
  }

  async syncFolder(path: string): Promise<void> {
    this.fault('syncFolder', path)
    for (const change of this.#folderChanges) change(this.durableEntries)
    this.#folderChanges = []
  }

  /** The bytes of a file, to be spoiled. */
  bytes(path: string): Buffer {
    const inode = this.entries.get(path)
    if (inode === undefined) throw new Error(`no file ${path}`)
    return inode.seen
  }

  /** What a restart of the machine finds. This one must not be used after. */
  powerLoss(): MemoryFs {
    const kept = Math.floor(this.#chance() * (this.#folderChanges.length + 1))
    for (const change of this.#folderChanges.slice(0, kept)) change(this.durableEntries)
    const after = new MemoryFs(this.#chance)
    for (const [path, inode] of this.durableEntries) {
      const survivor = new Inode()
      survivor.disk = inode.disk
      for (const write of inode.dirty) survivor.disk = this.#keepSome(survivor.disk, write)
      survivor.seen = Buffer.from(survivor.disk)
      after.entries.set(path, survivor)
      after.durableEntries.set(path, survivor)
    }
    return after
  }

  /** What a process finds that starts after this one was killed: all that was written, synced or not; later writes are not seen. */
  frozen(): MemoryFs {
    const after = new MemoryFs(this.#chance)
    const copies = new Map<Inode, Inode>()
    const copy = (inode: Inode) => {
      const known = copies.get(inode) ?? Object.assign(new Inode(), { ...inode, seen: Buffer.from(inode.seen), dirty: [...inode.dirty] })
      copies.set(inode, known)
      return known
    }
    for (const [path, inode] of this.durableEntries) after.durableEntries.set(path, copy(inode))
    // The entries may differ from the durable ones by changes that no folder sync has covered: made again, so that a power loss may undo them.
    for (const [path, inode] of this.entries) after.entries.set(path, copy(inode))
    const entries = new Map(after.entries)
    after.#folderChanges.push((durable) => {
      durable.clear()
      for (const [path, inode] of entries) durable.set(path, inode)
    })
    return after
  }

  /** Ends all faults, as a restart may. */
  processKilled(): MemoryFs {
    this.fault = () => {}
    return this
  }

  #file(path: string, inode: Inode): LogFile {
    return {
      read: async (into, position) => {
        this.fault('read', path)
        return inode.seen.copy(into, 0, position, Math.min(position + into.length, inode.seen.length))
      },
      write: async (parts, position) => {
        const write = { at: position, bytes: Buffer.concat(parts) }
        try {
          this.fault('write', path)
        } catch (error) {
          const part = { at: position, bytes: write.bytes.subarray(0, Math.floor(this.#chance() * write.bytes.length)) }
          inode.seen = overlay(inode.seen, part)
          inode.dirty.push(part)
          throw error
        }
        inode.seen = overlay(inode.seen, write)
        inode.dirty.push(write)
      },
      datasync: async () => {
        const { dirty } = inode
        inode.dirty = []
        try {
          this.fault('datasync', path)
        } catch (error) {
          for (const write of dirty) inode.disk = this.#keepSome(inode.disk, write)
          throw error
        }
        this.syncs++
        for (const write of dirty) inode.disk = overlay(inode.disk, write)
      },
      size: async () => inode.seen.length,
      close: async () => {},
    }
  }

  #change(change: (entries: Map<string, Inode>) => void): void {
    change(this.entries)
    this.#folderChanges.push(change)
  }

  #keepSome(disk: Buffer, write: Write): Buffer {
    let result = disk
    for (let at = write.at; at < write.at + write.bytes.length; ) {
      const end = Math.min((Math.floor(at / SECTOR) + 1) * SECTOR, write.at + write.bytes.length)
      if (this.#chance() < 0.5) result = overlay(result, { at, bytes: write.bytes.subarray(at - write.at, end - write.at) })
      at = end
    }
    return result
  }
}

function overlay(content: Buffer, write: Write): Buffer {
  const result = Buffer.alloc(Math.max(content.length, write.at + write.bytes.length))
  content.copy(result)
  write.bytes.copy(result, write.at)
  return result
}

/** Chance that is the same in each run of a seed (mulberry32). */
export function seeded(seed: number): Chance {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
