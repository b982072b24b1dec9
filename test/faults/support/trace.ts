import { readFileSync } from 'node:fs'

/** What strace saw of one system call. Times are line numbers of the trace: which came before which is all that counts. */
export interface Call {
  readonly name: string
  readonly startedAt: number
  /** Infinity when it never returned. */
  returnedAt: number
  /** -1 on failure. */
  result: number
  /** Of the first file descriptor, as `-y` tells it; '' when it has none. */
  readonly path: string
  /** The quoted arguments in order: paths of openat, rename, mkdir, unlink; data of writes. */
  readonly strings: readonly Buffer[]
  /** Whether strace cut a string short. */
  readonly isCut: boolean
  /** What follows the last string, such as flags, counts and offsets. */
  readonly rest: string
}

/** Data up to this many bytes is in the trace whole. */
const STRING_BYTES_MAX = 256 * 1024

const CALLS = [
  ...['openat', 'creat', 'write', 'pwrite64', 'writev', 'pwritev', 'pwritev2', 'fdatasync', 'fsync', 'ftruncate', 'fallocate'],
  ...['rename', 'renameat', 'renameat2', 'unlink', 'unlinkat', 'mkdir', 'mkdirat', 'rmdir', 'sendto', 'sendmsg'],
]

/** Runs what follows under strace, all threads, all bytes, into a file. */
export function straceArguments(strace: string, file: string): string[] {
  const filter = `trace=${CALLS.map((name) => `?${name}`).join(',')}`
  return [strace, '-f', '-qq', '--seccomp-bpf', '-y', '-xx', '-s', String(STRING_BYTES_MAX), '-e', filter, '-e', 'signal=none', '-o', file]
}

const LINE = /^(\d+) +(.*)$/s
const STARTED = /^(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (-?\d+|\?).*)$/s
const RESUMED = /^<\.\.\. \w+ resumed>.*\) += (-?\d+|\?)/s

/** Reads a trace: the calls that are wanted, by their first path, in the order in which they started. */
export function readTrace(file: string, wants: (path: string) => boolean): Call[] {
  const bytes = readFileSync(file)
  const calls: Call[] = []
  const open = new Map<string, Call | null>()
  for (let start = 0, line = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(10, start)
    const end = found === -1 ? bytes.length : found
    const [, thread, text] = LINE.exec(bytes.toString('latin1', start, end)) ?? []
    start = end + 1
    if (thread === undefined || text === undefined) continue
    const resumed = RESUMED.exec(text)
    if (resumed) {
      const call = open.get(thread)
      if (call) settle(call, line, resumed[1] as string)
      open.delete(thread)
      continue
    }
    const started = STARTED.exec(text)
    if (!started) continue
    const [, name, rawArguments, result] = started
    const call = parseCall(name as string, rawArguments as string, line)
    const wanted = wants(call.path !== '' ? call.path : String(call.strings[0]))
    if (wanted) calls.push(call)
    if (result === undefined) open.set(thread, wanted ? call : null)
    else settle(call, line, result)
  }
  return calls
}

function settle(call: Call, line: number, result: string): void {
  call.returnedAt = line
  call.result = result === '?' ? -1 : Number(result)
}

function parseCall(name: string, text: string, startedAt: number): Call {
  const descriptor = /^\d+<([^>]*)>/.exec(text)
  const strings: Buffer[] = []
  let isCut = false
  let restAt = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', restAt)) {
    const end = text.indexOf('"', at + 1)
    strings.push(unhex(text.slice(at + 1, end)))
    isCut ||= text.startsWith('...', end + 1)
    restAt = end + 1
  }
  const path = descriptor?.[1] ?? ''
  return {
    name,
    startedAt,
    returnedAt: Number.POSITIVE_INFINITY,
    result: -1,
    path: path.startsWith('\\x') ? unhex(path).toString() : path,
    strings,
    isCut,
    rest: text.slice(restAt === 0 ? (descriptor?.[0].length ?? 0) : restAt),
  }
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex')
}
