import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { DAY_MS, type TimestampMs } from '../../../domain/time.ts'
import { codeOf } from './system-error.ts'

/** A writer elsewhere, of whom nothing can be known, has been dead or hanging for at least so long. */
const FOREIGN_AGE_MS_MAX = DAY_MS

/**
 * Names of half written files tell who writes them: `<machine>.<pid>.<start>.<random>`. `machine` stands for where process ids mean the
 * same (the host, since its start, in one container); `start` tells a process from a later one that was given its id.
 */
export function temporaryName(): string {
  return [machine(), process.pid, startOf(process.pid) ?? '', randomUUID()].join('.')
}

/** Removes what dead writers left. What lives is left alone, and so is what nothing can be known of until it is a day old. */
export function removeAbandoned(folder: string, nowMs: TimestampMs): string[] {
  const own = machine()
  const removed: string[] = []
  for (const name of readdirSync(folder)) {
    const [where, pid, start] = name.split('.')
    const path = join(folder, name)
    const modifiedMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMs
    const abandoned = where === own ? !isAlive(Number(pid), start ?? '') : nowMs - modifiedMs > FOREIGN_AGE_MS_MAX
    if (!abandoned) continue
    rmSync(path, { force: true })
    removed.push(name)
  }
  return removed
}

function isAlive(pid: number, start: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  const known = startOf(pid)
  if (known !== null) return known === start
  try {
    process.kill(pid, 0)
    return start === ''
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return start === '' && codeOf(error) === 'EPERM'
  }
}

/** When a process began, in the kernel's ticks since its own start; null where it can't be known (no such process, no /proc). */
function startOf(pid: number): string | null {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
  // The second field is the program's name, in parentheses, with anything in it.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
}

function machine(): string {
  const parts = [
    hostname(),
    attempt(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')),
    attempt(() => readlinkSync('/proc/self/ns/pid')),
  ]
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 16)
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
