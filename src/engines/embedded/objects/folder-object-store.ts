import { constants, type Dirent } from 'node:fs'
import { type FileHandle, link, open, readdir, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { CorruptionError, EngineError } from '../../../domain/errors.ts'
import { objectKeyProblem } from '../../../domain/object-key.ts'
import type { Clock } from '../../../domain/ports/clock.ts'
import type { ObjectInfo, ObjectStore } from '../../../domain/ports/object-store.ts'
import { SystemClock } from '../../system-clock.ts'
import { makeFolderDurably, syncFolder } from '../folders.ts'
import { addChecksum, ObjectChecksum, readChecksums } from './checksums.ts'
import { checksumName, fromFileName, toFileName } from './file-names.ts'
import { codeOf } from './system-error.ts'
import { removeAbandoned, temporaryName } from './temporary-files.ts'

/** Every name that begins with '.' is the store's own. */
const TEMPORARY = '.tmp'
const PAGE_OBJECTS_MAX = 1000
/** How often a put begins again when deletes come between. */
const ATTEMPTS_MAX = 10

export interface FolderObjectStoreOptions {
  /** Its own; made if absent. */
  readonly folder: string
  readonly clock?: Clock
}

interface Place {
  readonly key: string
  readonly folder: string
  readonly file: string
  readonly checksums: string
}

/**
 * Objects as files of a folder, under their own names: docs/formats/object-folder.md. Any number of processes may use it.
 *
 * A put
 * 1. writes a file in `.tmp`, and syncs it;
 * 2. adds the bytes' checksum to the object's checksum file, and syncs that;
 * 3. links the file to the object's name, which fails if there is one, and syncs the folder.
 * So whatever is seen is whole, and has its checksum.
 */
export class FolderObjectStore implements ObjectStore {
  readonly #folder: string
  readonly #clock: Clock
  #closed = false

  private constructor(folder: string, clock: Clock) {
    this.#folder = folder
    this.#clock = clock
  }

  /** @throws EngineError `OBJECTS_UNWRITABLE` when the folder can't be made or written */
  static open({ folder, clock = new SystemClock() }: FolderObjectStoreOptions): FolderObjectStore {
    try {
      makeFolderDurably(join(folder, TEMPORARY))
      removeAbandoned(join(folder, TEMPORARY), clock.nowMs())
    } catch (error) {
      throw translated(folder, 'can not be used', error)
    }
    return new FolderObjectStore(folder, clock)
  }

  async putIfAbsent(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<'created' | 'exists'> {
    const place = this.#place(key)
    if ((await this.stat(key)) !== null) return 'exists'
    const temporary = join(this.#folder, TEMPORARY, temporaryName())
    // What the body's own iteration throws is the caller's, and passes as it is.
    const checksum = await this.#write(temporary, place, body)
    try {
      return await this.#publish(temporary, place, checksum)
    } catch (error) {
      throw translated(this.#folder, `object ${JSON.stringify(key)} can't be put`, error)
    } finally {
      await unlink(temporary).catch(() => {})
    }
  }

  async read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array | null> {
    const place = this.#place(key)
    try {
      const file = await openIfThere(place.file)
      if (file === null) return null
      try {
        const { size } = await file.stat()
        const start = Math.min(range?.start ?? 0, size)
        const bytes = await readExactly(file, start, Math.max(start, Math.min(range?.end ?? size, size)))
        if (range === undefined) await verify(place, bytes)
        return bytes
      } finally {
        await file.close()
      }
    } catch (error) {
      throw translated(this.#folder, `object ${JSON.stringify(key)} can't be read`, error)
    }
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    const place = this.#place(key)
    try {
      return await infoOf(place.file, key)
    } catch (error) {
      throw translated(this.#folder, `object ${JSON.stringify(key)} can't be looked at`, error)
    }
  }

  async *list(prefix: string, after?: string): AsyncGenerator<readonly ObjectInfo[], void, undefined> {
    let page: { key: string; path: string }[] = []
    const infos = async () => {
      const found = await Promise.all(page.map(({ key, path }) => infoOf(path, key)))
      page = []
      return found.filter((info) => info !== null)
    }
    try {
      for await (const entry of walk(this.#folder, '', prefix, after)) {
        this.#mayUse()
        if (page.push(entry) >= PAGE_OBJECTS_MAX) yield await infos()
      }
      if (page.length > 0) yield await infos()
    } catch (error) {
      throw translated(this.#folder, `objects under ${JSON.stringify(prefix)} can't be listed`, error)
    }
  }

  async delete(key: string): Promise<void> {
    const place = this.#place(key)
    try {
      // The object first: a checksum without an object does no harm.
      if (!(await removed(place.file))) return
      await removed(place.checksums)
      syncFolder(place.folder)
      await this.#removeEmpty(place.folder)
    } catch (error) {
      throw translated(this.#folder, `object ${JSON.stringify(key)} can't be deleted`, error)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #place(key: string): Place {
    this.#mayUse()
    const problem = objectKeyProblem(key)
    const names = problem === null ? key.split('/').map(toFileName) : []
    if (problem !== null || !isWhole(names)) {
      const why = problem ?? "a part of it is too long for a file name, where each '%' takes three bytes"
      throw new EngineError('OBJECT_KEY', `object key ${JSON.stringify(key)} is not possible: ${why}`, { retryable: false })
    }
    const file = join(this.#folder, ...names)
    const folder = dirname(file)
    return { key, folder, file, checksums: join(folder, checksumName(names.at(-1) as string)) }
  }

  async #write(temporary: string, { key }: Place, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<ObjectChecksum> {
    const why = `object ${JSON.stringify(key)} can't be put`
    const engine = <T>(work: Promise<T>) => work.catch((error: unknown) => Promise.reject(translated(this.#folder, why, error)))
    const file = await engine(open(temporary, 'wx', 0o640))
    try {
      const checksum = new ObjectChecksum()
      for await (const piece of body instanceof Uint8Array ? [body] : body) {
        checksum.update(piece)
        await engine(file.writeFile(piece))
      }
      const now = this.#clock.nowMs() / 1000
      await engine(file.utimes(now, now))
      await engine(file.sync())
      await file.close()
      return checksum
    } catch (error) {
      await file.close().catch(() => {})
      await unlink(temporary).catch(() => {})
      throw error
    }
  }

  async #publish(temporary: string, place: Place, checksum: ObjectChecksum): Promise<'created' | 'exists'> {
    const line = checksum.toString()
    for (let attempt = 1; ; attempt++) {
      try {
        makeFolderDurably(place.folder)
        await addChecksum(place.checksums, line)
        await link(temporary, place.file)
        break
      } catch (error) {
        const code = codeOf(error)
        if (code === 'EEXIST' && (await infoOf(place.file, place.key)) !== null) return 'exists'
        // A delete has just taken the folder away as empty, or the object that was in the way.
        const mayPass = code === 'ENOENT' || (code === 'EEXIST' && (await isAbsent(place.file)))
        if (!mayPass || attempt >= ATTEMPTS_MAX) throw error
      }
    }
    // Between the two steps, a delete of an earlier object of this key may have taken the checksum along.
    if (!(await readChecksums(place.checksums)).includes(line)) await addChecksum(place.checksums, line)
    syncFolder(place.folder)
    return 'created'
  }

  /** Folders that hold nothing any more go, up to the store's own. */
  async #removeEmpty(folder: string): Promise<void> {
    for (let at = folder; at !== this.#folder; at = dirname(at)) {
      try {
        await rmdir(at)
      } catch (error) {
        if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(codeOf(error) ?? '')) return
        throw error
      }
    }
  }

  #mayUse(): void {
    if (this.#closed) throw new EngineError('OBJECTS_CLOSED', `object folder ${this.#folder} is closed`, { retryable: false })
  }
}

/** Objects in order of their keys' bytes, from a folder and those below it. */
async function* walk(
  folder: string,
  keyPrefix: string,
  prefix: string,
  after: string | undefined,
): AsyncGenerator<{ key: string; path: string }, void, undefined> {
  for (const { key, path, isFolder } of await entriesOf(folder, keyPrefix)) {
    if (!isFolder) {
      if (key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0)) yield { key, path }
      continue
    }
    // All keys below begin with `key`, which ends in '/'.
    const mayMatch = key.startsWith(prefix) || prefix.startsWith(key)
    const mayFollow = after === undefined || after.startsWith(key) || compareKeys(key, after) > 0
    if (mayMatch && mayFollow) yield* walk(path, key, prefix, after)
  }
}

async function entriesOf(folder: string, keyPrefix: string): Promise<{ key: string; path: string; isFolder: boolean }[]> {
  let found: Dirent[]
  try {
    found = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    // It was empty and is gone.
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
  const entries = found.flatMap((entry) => {
    const part = fromFileName(entry.name)
    if (part === null || !(entry.isFile() || entry.isDirectory())) return []
    const isFolder = entry.isDirectory()
    return [{ key: keyPrefix + part + (isFolder ? '/' : ''), path: join(folder, entry.name), isFolder }]
  })
  return entries.sort((a, b) => compareKeys(a.key, b.key))
}

/** By UTF-8 bytes, which is not the order of JavaScript's strings. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

async function infoOf(path: string, key: string): Promise<ObjectInfo | null> {
  try {
    const found = await stat(path)
    return found.isFile() ? { key, bytes: found.size, modifiedMs: Math.floor(found.mtimeMs) } : null
  } catch (error) {
    if (isAbsence(error)) return null
    throw error
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY)
  } catch (error) {
    if (isAbsence(error)) return null
    throw error
  }
  if ((await file.stat()).isFile()) return file
  await file.close()
  return null
}

async function readExactly(file: FileHandle, start: number, end: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(end - start)
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done)
    if (bytesRead === 0) return bytes.subarray(0, done)
    done += bytesRead
  }
  return bytes
}

/** An object that somebody copied into the folder has no checksum, and nothing can be said of it. */
async function verify({ key, checksums, file }: Place, bytes: Uint8Array): Promise<void> {
  const known = await readChecksums(checksums)
  if (known.length === 0) return
  const met = new ObjectChecksum()
  met.update(bytes)
  if (known.includes(met.toString())) return
  throw new CorruptionError(
    `object ${JSON.stringify(key)} is damaged: ${file} has checksum and length ${met}, ${known.join(' or ')} was written`,
  )
}

async function removed(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (isAbsence(error) || codeOf(error) === 'EISDIR' || codeOf(error) === 'EPERM') return false
    throw error
  }
}

async function isAbsent(path: string): Promise<boolean> {
  return stat(path).then(
    () => false,
    (error: unknown) => codeOf(error) === 'ENOENT',
  )
}

/** No such file, or one of the folders on the way is a file. */
function isAbsence(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'
}

function isWhole(names: readonly (string | null)[]): names is readonly string[] {
  return names.every((name) => name !== null)
}

function translated(folder: string, what: string, error: unknown): unknown {
  const code = codeOf(error)
  if (error instanceof EngineError || code === null) return error
  const [own, advice, retryable] = CODES[code] ?? ['OBJECTS_FAILED', '', true]
  const said = typeof error === 'object' && error !== null && 'message' in error ? error.message : error
  return new EngineError(own, `object folder ${folder}: ${what}: ${said}${advice}`, { retryable, cause: error })
}

const CONFLICT = ['OBJECT_KEY', "; a key can't be that of an object and also the beginning of other keys, up to a '/'", false] as const

const CODES: Readonly<Record<string, readonly [code: string, advice: string, retryable: boolean]>> = {
  EEXIST: CONFLICT,
  ENOTDIR: CONFLICT,
  EISDIR: CONFLICT,
  EACCES: ['OBJECTS_UNWRITABLE', '; let the user that Tidemark runs as write there', false],
  EROFS: ['OBJECTS_UNWRITABLE', '; it is on a file system that can only be read', false],
  ENOSPC: ['OBJECTS_UNWRITABLE', '; free some space', true],
  EDQUOT: ['OBJECTS_UNWRITABLE', '; free some space', true],
  EPERM: ['OBJECTS_UNSUPPORTED', '; the file system has no hard links: put the folder on one that has them', false],
  ENOTSUP: ['OBJECTS_UNSUPPORTED', '; the file system has no hard links: put the folder on one that has them', false],
}
