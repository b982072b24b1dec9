/** A lock between processes: a file that names its owner. Whoever died without letting go is recognised, and its lock taken over. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SetupError } from '../bootstrap.mjs'
import { isRunning, startTime } from './processes.mjs'

let serial = 0

/** Runs `body` while no other process (and no other call in this one) holds `path`; waits for it at most `timeoutMs`. */
export async function withLock(path, body, { timeoutMs = 900_000, signal } = {}) {
  mkdirSync(dirname(path), { recursive: true })
  const token = `${process.pid} ${startTime(process.pid)} ${++serial}`
  const deadline = performance.now() + timeoutMs
  while (!take(path, token)) {
    signal?.throwIfAborted()
    if (performance.now() > deadline) {
      throw new SetupError(`${path} is held by process ${owner(path)?.pid ?? '?'}; wait for it, or end it if it hangs`)
    }
    await sleep(50)
  }
  try {
    return await body()
  } finally {
    // Only what is still ours: nobody takes the lock of a process that lives.
    if (content(path) === token) rmSync(path, { force: true })
  }
}

/** The file appears with its content (a link to a finished one), so nobody ever reads half a name. */
function take(path, token) {
  const draft = `${path}.${process.pid}.${++serial}`
  writeFileSync(draft, token)
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    dropStale(path)
    return false
  } finally {
    rmSync(draft, { force: true })
  }
}

function dropStale(path) {
  const held = owner(path)
  if (held === null || held.alive) return
  // Two that see the same dead owner: one of the renames fails, or it moves a new owner's lock, which is then put back.
  const aside = `${path}.${process.pid}.${++serial}`
  try {
    renameSync(path, aside)
    if (owner(aside)?.alive) linkSync(aside, path)
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error
  } finally {
    rmSync(aside, { force: true })
  }
}

function content(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

function owner(path) {
  const text = content(path)
  if (text === null) return null
  const [pid, started] = text.split(' ')
  return { pid: Number(pid), alive: isRunning(Number(pid)) && startTime(Number(pid)) === started }
}
