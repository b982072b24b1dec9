import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EngineError } from '../../domain/errors.ts'
import { makeFolderDurably } from './folders.ts'

/** Held by the one process that uses a data folder. */
export interface DataLock {
  readonly folder: string
  release(): void
}

const LOCK_FILE = 'lock'
const PID_FILE = 'pid'

/**
 * Takes a data folder for this process, making it if need be.
 *
 * The lock is one of the operating system's (SQLite's exclusive lock on an empty database file), so it ends with the process, however
 * that ends: nothing is left to clean up after kill -9, a process id that was given anew misleads nobody, and two containers that share
 * a volume see each other. The process id is written beside it for the message alone.
 *
 * @throws EngineError `DATA_IN_USE` if another process holds it, `DATA_UNUSABLE` if the folder can't be made or written.
 */
export function lockDataFolder(folder: string): DataLock {
  let database: DatabaseSync
  try {
    makeFolderDurably(folder)
    database = new DatabaseSync(join(folder, LOCK_FILE))
  } catch (cause) {
    throw unusable(folder, cause)
  }
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (!isBusy(cause)) throw unusable(folder, cause)
    const holder = readHolder(folder)
    throw new EngineError(
      'DATA_IN_USE',
      `data folder ${folder} is in use by ${holder === null ? 'another process' : `process ${holder}`}`,
      {
        retryable: false,
        cause,
      },
    )
  }
  const pidFile = join(folder, PID_FILE)
  try {
    writeFileSync(pidFile, `${process.pid}\n`)
  } catch {
    // A full disk must not keep a server from answering what it holds.
  }
  let held = true
  return {
    folder,
    release() {
      if (!held) return
      held = false
      rmSync(pidFile, { force: true })
      database.close()
    },
  }
}

/** SQLITE_BUSY, also in its extended forms. */
function isBusy(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'errcode' in error && (Number(error.errcode) & 0xff) === 5
}

function readHolder(folder: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(join(folder, PID_FILE), 'utf8'), 10)
    return Number.isInteger(pid) ? pid : null
  } catch {
    return null
  }
}

function unusable(folder: string, cause: unknown): EngineError {
  const said = typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause
  return new EngineError('DATA_UNUSABLE', `data folder ${folder} can't be used: ${said}`, { retryable: false, cause })
}
