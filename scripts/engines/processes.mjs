/** Engines as processes: started apart from us, found again by a file in the run folder, recognised by their command line. */
import { spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SetupError } from '../bootstrap.mjs'
import { BIND, ports } from './settings.mjs'

// ---- what the system knows of a process

export function isRunning(pid) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
  // A zombie is dead, only not yet collected by its parent.
  return stat(pid)?.[0] !== 'Z'
}

/** The fields of /proc/PID/stat after the name, from the state on; null where there is none. */
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** Tells a process from a later one with the same number; "0" where the system does not say. */
export function startTime(pid) {
  return stat(pid)?.[19] ?? '0'
}

export function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    if (existsSync('/proc/self')) return ''
    return spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).stdout?.trim() ?? ''
  }
}

/** Resident memory in bytes; null where the system does not say. */
export function residentBytes(pid) {
  try {
    const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    return kib ? Number(kib[1]) * 1024 : null
  } catch {
    return null
  }
}

// ---- ports

export function portIsFree(port, host = BIND) {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)))
    server.listen(port, host, () => server.close(() => resolve(true)))
  })
}

/**
 * Ports that nobody has, all different; from below the range of outgoing connections. In that range, whoever connects again and again to an
 * engine that is down sooner or later gets its very port as its own, connects to itself, and the engine can't come back.
 */
export async function freePorts(count) {
  const found = new Set()
  while (found.size < count) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    if (!reserved.has(port) && !found.has(port) && (await portIsFree(port))) found.add(port)
  }
  return [...found]
}

/** The default instance may be down now and come up later. */
const reserved = new Set(Object.values(ports).flatMap((port) => [port, port + 1, port + 2]))

/** Ports that only the engine itself uses: those wished for if nobody has one of them, else as many free ones. */
export async function internalPorts(wished) {
  const free = await Promise.all(wished.map((port) => port !== undefined && portIsFree(port)))
  return free.every(Boolean) ? wished : freePorts(wished.length)
}

/** Fails with the name of whoever has the port, as far as /proc tells. */
export async function demandFreePort(port, what, remedy) {
  let holder = null
  // One that has just been killed may still be on its way out; nobody is named then.
  for (let i = 0; i < 30 && holder === null; i++) {
    if (await portIsFree(port)) return
    holder = portHolder(port)
    if (holder === null) await sleep(100)
  }
  const by = holder === null ? 'another process' : `process ${holder.pid} (${holder.command.slice(0, 160)})`
  throw new SetupError(`port ${port}, wanted for ${what}, is taken by ${by}; end it, or ${remedy}`)
}

export function portHolder(port) {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const inodes = new Set()
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    if (!existsSync(table)) continue
    for (const line of readFileSync(table, 'latin1').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/)
      // 0A is LISTEN.
      if (fields[1]?.endsWith(suffix) && fields[3] === '0A') inodes.add(`socket:[${fields[9]}]`)
    }
  }
  if (inodes.size === 0) return null
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (inodes.has(readlinkSync(`/proc/${pid}/fd/${fd}`))) return { pid: Number(pid), command: commandLine(Number(pid)) }
      }
    } catch {
      // Another user's process, or one that has just ended.
    }
  }
  return null
}

// ---- the processes of one run folder

const stateFile = (run, name) => join(run, name, 'process.json')
export const logFile = (run, name) => join(run, name, 'engine.log')
export const dataFolder = (run, name) => join(run, name, 'data')

/** A mark in the command line by which a process is known as the one of this run folder, whatever its number. */
export const markOf = (run, name) => `tidemark.engine=${join(run, name)}`

/** Whose process file is there, whether it runs or not. */
export function knownNames(run) {
  if (!existsSync(run)) return []
  return readdirSync(run)
    .filter((name) => existsSync(stateFile(run, name)))
    .sort()
}

/** What was started under this name and still runs (`{ pid, port, ... }`), or null. */
export function running(run, name) {
  try {
    const state = JSON.parse(readFileSync(stateFile(run, name), 'utf8'))
    return isRunning(state.pid) && commandLine(state.pid).includes(state.mark) ? state : null
  } catch {
    return null
  }
}

/**
 * Starts a program in its own session, its output in the run folder's log.
 * @param spec `{ file, args, env, mark, port }`; `mark` must stand in its command line
 */
export function launch(run, name, spec, { append = false } = {}) {
  mkdirSync(join(run, name), { recursive: true })
  const log = openSync(logFile(run, name), append ? 'a' : 'w')
  try {
    const child = spawn(spec.file, spec.args, {
      cwd: join(run, name),
      env: { ...process.env, ...spec.env },
      detached: true,
      stdio: ['ignore', log, log],
    })
    child.on('error', () => {})
    if (child.pid === undefined) throw new SetupError(`${name}: ${spec.file} can't be run`)
    child.unref()
    writeState(run, name, { pid: child.pid, port: spec.port, mark: spec.mark, ...spec.about })
    return child.pid
  } finally {
    closeSync(log)
  }
}

function writeState(run, name, state) {
  const draft = `${stateFile(run, name)}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(state)}\n`)
  renameSync(draft, stateFile(run, name))
}

const owned = new Map()

/** What this process starts for itself ends with it, also when a test forgets to stop it. */
export function endWithUs(run, names) {
  if (owned.size === 0) process.once('exit', killOwned)
  for (const name of names) owned.set(join(run, name), { run, name })
}

function killOwned() {
  for (const { run, name } of owned.values()) {
    try {
      signalTo(run, name, 'SIGKILL')
    } catch {
      // It has ended in between.
    }
  }
}

/** Waits until `answers` says true; fails with the last lines of the log if the process ends before, or not in time. */
export async function waitUntilAnswers(run, name, answers, { timeoutMs, signal }) {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    signal?.throwIfAborted()
    if (await answers()) return
    if (running(run, name) === null)
      throw new SetupError(`${name} died while it started; its last words:\n${lastLines(logFile(run, name))}`)
    if (performance.now() > deadline) {
      throw new SetupError(`${name} did not answer within ${timeoutMs / 1000} s; its last words:\n${lastLines(logFile(run, name))}`)
    }
    await sleep(100)
  }
}

/** Sends a signal to what runs under this name; false if nothing does. */
export function signalTo(run, name, signal) {
  const state = running(run, name)
  if (state === null) return false
  process.kill(state.pid, signal)
  return true
}

/**
 * Asks to end, waits, then kills. Only what the run folder names and whose command line agrees.
 * @returns 'absent' (nothing ran), 'ended', or 'killed'
 */
export async function stop(run, name, { boundMs = 30_000 } = {}) {
  const state = running(run, name)
  let outcome = 'absent'
  if (state !== null) {
    outcome = 'ended'
    process.kill(state.pid, 'SIGTERM')
    // One that is paused would never hear it.
    process.kill(state.pid, 'SIGCONT')
    if (!(await ends(state.pid, boundMs))) {
      outcome = 'killed'
      if (running(run, name)?.pid === state.pid) process.kill(state.pid, 'SIGKILL')
      if (!(await ends(state.pid, 10_000))) throw new SetupError(`${name} (process ${state.pid}) can't be killed`)
    }
  }
  rmSync(stateFile(run, name), { force: true })
  return outcome
}

/** Kills at once, as a crash would. */
export async function kill(run, name) {
  const state = running(run, name)
  if (state === null) return
  process.kill(state.pid, 'SIGKILL')
  if (!(await ends(state.pid, 10_000))) throw new SetupError(`${name} (process ${state.pid}) can't be killed`)
}

async function ends(pid, boundMs) {
  const deadline = performance.now() + boundMs
  while (isRunning(pid)) {
    if (performance.now() > deadline) return false
    await sleep(50)
  }
  return true
}

/** The end of a log, for an error message. */
export function lastLines(path, count = 15) {
  if (!existsSync(path)) return '(no log)'
  const size = statSync(path).size
  const buffer = Buffer.alloc(Math.min(size, 16_384))
  const file = openSync(path, 'r')
  readSync(file, buffer, 0, buffer.length, size - buffer.length)
  closeSync(file)
  const lines = buffer.toString('utf8').trimEnd().split('\n').slice(-count)
  return `${lines.map((line) => `  ${line.slice(0, 300)}`).join('\n')}\n  (${path})`
}

/**
 * What may be done to the one process of an engine.
 * @param start brings it up; told whether it was up before
 */
export function controls(run, name, start) {
  return {
    log: () => logFile(run, name),
    pid: () => running(run, name)?.pid ?? null,
    kill: () => kill(run, name),
    pause: () => signalTo(run, name, 'SIGSTOP'),
    resume: () => signalTo(run, name, 'SIGCONT'),
    terminate: () => stop(run, name),
    restart: async () => {
      await stop(run, name)
      await start(true)
    },
    stop: () => stop(run, name),
  }
}
