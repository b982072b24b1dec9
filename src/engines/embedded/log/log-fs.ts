import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

/** An open file. All positions are absolute: no file has a cursor. */
export interface LogFile {
  /** @returns how many bytes were read: fewer than asked only at the end of the file */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes all of it or rejects. */
  write(parts: readonly Uint8Array[], position: number): Promise<void>
  /** What was written before is on disk when it resolves. */
  datasync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/** The few things that the log wants of a file system; tests put one that fails or forgets in its place. */
export interface LogFs {
  /** Makes the folder and its parents, durably. */
  mkdir(path: string): Promise<void>
  list(path: string): Promise<string[]>
  /** `create`: read and write, made if absent. `write`: read and write, must exist. `read`: must exist. */
  open(path: string, mode: 'create' | 'write' | 'read'): Promise<LogFile>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes creations, renames and removals in the folder durable. */
  syncFolder(path: string): Promise<void>
}

const FLAGS = { create: constants.O_RDWR | constants.O_CREAT, write: constants.O_RDWR, read: constants.O_RDONLY } as const

export const nodeFs: LogFs = {
  async mkdir(path) {
    const first = await mkdir(path, { recursive: true })
    // Every folder that was made has its entry in its parent synced, up to the first that was there.
    for (let at = path; first !== undefined && at.length >= first.length; at = join(at, '..')) await nodeFs.syncFolder(join(at, '..'))
  },
  list: (path) => readdir(path),
  open: async (path, mode) => new NodeFile(await open(path, FLAGS[mode], 0o640)),
  rename,
  remove: unlink,
  async syncFolder(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}

class NodeFile implements LogFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, position + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return done
  }

  async write(parts: readonly Uint8Array[], position: number): Promise<void> {
    const bytes = parts.reduce((sum, part) => sum + part.length, 0)
    const { bytesWritten } = await this.#handle.writev(parts as Uint8Array[], position)
    if (bytesWritten === bytes) return
    // A short write: the kernel says why when the rest is tried.
    const rest = Buffer.concat(parts).subarray(bytesWritten)
    for (let done = 0; done < rest.length; ) {
      done += (await this.#handle.write(rest, done, rest.length - done, position + bytesWritten + done)).bytesWritten
    }
  }

  datasync(): Promise<void> {
    return this.#handle.datasync()
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}
