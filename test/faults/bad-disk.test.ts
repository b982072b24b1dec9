import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { describeIf, requireAll } from '../support/requirements.ts'
import { SeededRandom } from '../support/virtual-clock.ts'
import { noise, type Pushed, type Sample, ServerProcess } from './support/server.ts'

const nowMs = Date.now()
const random = new SeededRandom(1)
const MB = 2 ** 20

let work: string
let server: ServerProcess | null = null
let mounted: string[] = []

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'tidemark-bad-disk-'))
})

afterEach(async () => {
  await server?.kill()
  server = null
  for (const path of mounted) mount('umount', ['-l', path])
  mounted = []
  rmSync(work, { recursive: true, force: true })
})

/** A disk of its own, of so many bytes. */
function makeDisk(path: string, bytes: number): void {
  mkdirSync(path, { recursive: true })
  const error = mount('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path])
  if (error !== null) throw new Error(error)
  mounted.push(path)
}

function resizeDisk(path: string, bytes: number): void {
  const error = mount('mount', ['-o', `remount,size=${bytes}`, path])
  if (error !== null) throw new Error(error)
}

function mount(command: string, args: readonly string[]): string | null {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? null : (error?.message ?? stderr.trim())
}

function mountProblem(): string | null {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-mount-'))
  const problem = mount('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path])
  if (problem === null) mount('umount', [path])
  rmSync(path, { recursive: true, force: true })
  return problem
}

/** Where a disk of its own can be had. */
function describeWithDisk(name: string, body: () => void): void {
  const problem = mountProblem()
  if (problem !== null && requireAll)
    throw new Error(`${name}: a disk can't be mounted, and TIDEMARK_REQUIRE_ALL=1 demands it (${problem})`)
  if (problem === null) describe(name, body)
  else describe.skip(`${name} [skipped: a small disk can't be mounted here: ${problem}]`, body)
}

/** Pushes one sample at a time and keeps those that were acknowledged. */
class Pusher {
  readonly held = new Map<string, number>()
  refused = 0
  #serial = 0

  async push(bytes = 0): Promise<Pushed> {
    const i = String(this.#serial++)
    const ballast = Array.from({ length: Math.ceil(bytes / 4000) }, (_, at) => [`l${at}`, noise(() => random.next(), 4000)])
    const sample: Sample = { labels: { __name__: 'pushed', i, ...Object.fromEntries(ballast) }, timeMs: nowMs, value: Number(i) + 0.5 }
    const pushed = await server!.push([sample])
    if (pushed.status === 200) this.held.set(i, sample.value)
    else {
      expect([pushed.status, pushed.retryAfter, pushed.text]).toEqual([
        503,
        expect.stringMatching(/^\d+$/),
        expect.stringContaining('log of'),
      ])
      this.refused++
    }
    return pushed
  }

  /** What is answered holds everything that was acknowledged, and nothing that was not sent. */
  async expectHeld(): Promise<void> {
    const answered = await server!.query('sum by (i) (pushed)', nowMs)
    if (typeof answered === 'string') throw new Error(answered)
    for (const [i, value] of this.held) expect([i, answered.get(i)]).toEqual([i, value])
    // A refused write may have reached the disk all the same: then it is held whole.
    for (const [i, value] of answered) expect(value).toBe(Number(i) + 0.5)
  }

  async untilTaken(): Promise<void> {
    const deadline = performance.now() + 10_000
    while ((await this.push()).status !== 200) {
      if (performance.now() > deadline) throw new Error('writes are still refused')
      await delay(50)
    }
  }
}

async function restart(data: string): Promise<void> {
  await server?.kill()
  server = await ServerProcess.start(data)
}

describeWithDisk('a full disk', () => {
  it('refuses writes until there is space again, answers queries, and loses nothing', async () => {
    const disk = join(work, 'disk')
    const data = join(disk, 'data')
    // Room for one file of the log, not for the next.
    makeDisk(disk, 28 * MB)
    server = await ServerProcess.start(data)
    const pusher = new Pusher()
    for (let i = 0; i < 20; i++) await pusher.push()
    while (pusher.refused < 3) await pusher.push(160_000)
    for (let i = 0; i < 5; i++) await pusher.push()
    await pusher.expectHeld()
    expect(pusher.held.size).toBeGreaterThan(60)
    resizeDisk(disk, 80 * MB)
    await pusher.untilTaken()
    for (let i = 0; i < 20; i++) await pusher.push()
    await pusher.expectHeld()
    expect(await server.seal()).toBe(200)
    await restart(data)
    await pusher.expectHeld()
  }, 30_000)

  it('under the block store alone holds up neither writes nor queries, and what was not stored is stored later', async () => {
    const data = join(work, 'data')
    const blocks = join(data, 'blocks')
    makeDisk(blocks, 192 * 1024)
    server = await ServerProcess.start(data)
    const pusher = new Pusher()
    for (let i = 0; i < 40; i++) await pusher.push(16_000)
    expect(await server.seal()).not.toBe(200)
    for (let i = 0; i < 20; i++) await pusher.push()
    expect(pusher.refused).toBe(0)
    await pusher.expectHeld()
    expect(server.printed).toContain('full')
    resizeDisk(blocks, 64 * MB)
    expect(await server.seal()).toBe(200)
    await pusher.push()
    await pusher.expectHeld()
    await restart(data)
    await pusher.expectHeld()
  }, 30_000)
})

describeIf('strace', 'it makes system calls fail', 'a disk', (strace) => {
  const cases: [string, string[]][] = [
    ['that fails to sync', ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=30..60']],
    ['that has become read-only', ['-e', 'trace=pwritev', '-e', 'inject=pwritev:error=EROFS:when=30..60']],
  ]
  for (const [what, injection] of cases) {
    it(`${what} refuses writes, answers queries, loses nothing, and is used again when it works`, async () => {
      const data = join(work, 'data')
      const through = [strace, '-f', '-qq', '--seccomp-bpf', '-o', '/dev/null', ...injection]
      // One thread for files: strace counts calls by thread.
      server = await ServerProcess.start(data, through, { UV_THREADPOOL_SIZE: '1' })
      const pusher = new Pusher()
      for (let i = 0; i < 40 && pusher.refused < 5; i++) await pusher.push()
      expect(pusher.refused).toBe(5)
      await pusher.expectHeld()
      await pusher.untilTaken()
      for (let i = 0; i < 20; i++) await pusher.push()
      await pusher.expectHeld()
      await restart(data)
      await pusher.expectHeld()
    }, 30_000)
  }
})
