import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { decodePosition } from '../../src/domain/position.ts'
import { decodeHeader } from '../../src/engines/embedded/log/frame.ts'
import { describeIf } from '../support/requirements.ts'
import { SeededRandom } from '../support/virtual-clock.ts'
import { dataOf, PowerCutDisk } from './support/power-cut-disk.ts'
import { noise, type Sample, ServerProcess } from './support/server.ts'
import { type Call, readTrace, straceArguments } from './support/trace.ts'

const SMALL_PUSHES = 150
/** Enough of them, at this size, to fill the log's first segment of 16 MiB. */
const LARGE_PUSHES = 360
const LARGE_LABELS = 20
const LARGE_LABEL_BYTES = 4000
const CUTS = 20

const seed = Number(process.env.TIDEMARK_FAULTS_SEED ?? Date.now() % 1_000_000)
const random = new SeededRandom(seed)
const nowMs = Date.now()

interface Acknowledged {
  /** The line of the trace in which the answer is handed to the socket. */
  readonly line: number
  readonly position: string
}

/** Sends everything. @returns by position, which tells pushes apart, what was pushed */
async function load(server: ServerProcess): Promise<Map<string, Sample>> {
  const pushed = new Map<string, Sample>()
  let serial = 0
  const push = async (count: number, senders: number, labels: () => Record<string, string>) => {
    const send = async () => {
      for (let i = 0; i < count / senders; i++) {
        const number = serial++
        const sample = { labels: { __name__: 'pushed', i: String(number), ...labels() }, timeMs: nowMs, value: number + 0.5 }
        const { status, position, text } = await server.push([sample])
        if (status !== 200 || position === null) throw new Error(`push answered ${status}: ${text}`)
        if (pushed.has(position)) throw new Error(`two pushes have position ${position}`)
        pushed.set(position, sample)
      }
    }
    await Promise.all(Array.from({ length: senders }, send))
  }
  await push(SMALL_PUSHES, 3, () => ({}))
  const sealing = server.seal()
  await push(SMALL_PUSHES, 3, () => ({}))
  expect(await sealing).toBe(200)
  const large = () =>
    Object.fromEntries(Array.from({ length: LARGE_LABELS }, (_, i) => [`l${i}`, noise(() => random.next(), LARGE_LABEL_BYTES)]))
  await push(LARGE_PUSHES, 3, large)
  const again = server.seal()
  await push(SMALL_PUSHES, 3, () => ({}))
  expect(await again).toBe(200)
  return pushed
}

function acknowledgements(calls: readonly Call[]): Acknowledged[] {
  const found: Acknowledged[] = []
  for (const { path, strings, startedAt } of calls) {
    if (!isSocket(path)) continue
    const head = Buffer.concat(strings).subarray(0, 2000).toString('latin1')
    const position = /^HTTP\/1\.1 2\d\d.*x-tidemark-position: (\S+)/s.exec(head)?.[1]
    if (position !== undefined) found.push({ line: startedAt, position })
  }
  return found
}

/** Of each record, by partition and offset, the line in which a sync that covers its write had returned. */
function durableLines(calls: readonly Call[]): { line: number; ends: ReadonlyMap<number, number> }[] {
  const ends = new Map<number, number>()
  const durable: { line: number; ends: ReadonlyMap<number, number> }[] = []
  const syncs = calls.filter(({ name, result }) => name === 'fdatasync' && result === 0)
  for (const call of calls) {
    if (call.name !== 'pwritev' || !call.path.endsWith('.log')) continue
    const header = decodeHeader(dataOf(call), 0)
    if (header === null || header === 'short') continue
    const sync = syncs.find(({ path, startedAt }) => path === call.path && startedAt > call.returnedAt)
    if (sync === undefined) continue
    for (const [partition, count] of header.counts.entries()) {
      if (count > 0) ends.set(partition, (header.firsts[partition] as number) + count)
    }
    durable.push({ line: sync.returnedAt, ends: new Map(ends) })
  }
  return durable
}

describeIf('strace', 'it sees what is synced to disk, and when', `a power cut (seed ${seed})`, (strace) => {
  it('loses nothing that was acknowledged, at whatever moment it comes', async () => {
    const work = mkdtempSync(join(tmpdir(), 'tidemark-power-cut-'))
    try {
      const root = join(work, 'disk')
      mkdirSync(root)
      const trace = join(work, 'trace')
      const server = await ServerProcess.start(join(root, 'data'), straceArguments(strace, trace))
      const pushed = await load(server)
      await server.kill()
      const calls = readTrace(trace, (path) => path === root || path.startsWith(`${root}/`) || isSocket(path))
      rmSync(trace)

      const acknowledged = acknowledgements(calls)
      expect(acknowledged.map(({ position }) => position).sort()).toEqual([...pushed.keys()].sort())
      const durable = durableLines(calls)
      for (const { line, position } of acknowledged) {
        const before = durable.findLast((sync) => sync.line < line)?.ends
        for (const [partition, end] of decodePosition(position)!.offsets) expect(before?.get(partition)).toBeGreaterThanOrEqual(end)
      }
      const files = new Set(calls.map(({ path }) => path))
      for (const part of ['0000000002.log', 'meta.db-wal', 'meta.db']) expect([...files].some((path) => path.endsWith(part))).toBe(true)

      const disk = new PowerCutDisk(
        root,
        calls.filter(({ path }) => !isSocket(path)),
      )
      const [first, last] = [acknowledged[0]!.line, acknowledged.at(-1)!.line + 1]
      const cuts = Array.from({ length: CUTS }, () => Math.floor(first + random.next() * (last - first))).sort((a, b) => a - b)
      for (const [index, cut] of cuts.entries()) {
        disk.advance(cut)
        const restored = join(work, `cut-${index}`)
        // Every other time nothing survives but what was synced; else some of the rest, in any order.
        disk.restore(restored, index % 2 === 0 ? () => false : () => random.next() < 0.5)
        const promised = acknowledged.filter(({ line }) => line < cut).map(({ position }) => pushed.get(position) as Sample)
        await expectHeld(join(restored, 'data'), promised, [...pushed.values()])
        rmSync(restored, { recursive: true })
      }
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }, 90_000)
})

function isSocket(path: string): boolean {
  return path.startsWith('socket:') || path.startsWith('TCP')
}

async function expectHeld(data: string, promised: readonly Sample[], sent: readonly Sample[]): Promise<void> {
  const server = await ServerProcess.start(data)
  const held = await server.query('sum by (i) (pushed)', nowMs)
  const counts = await server.query('count by (i) (pushed)', nowMs)
  await server.kill()
  if (typeof held === 'string' || typeof counts === 'string') throw new Error(`${held} ${counts} ${server.printed}`)
  const values = new Map(sent.map(({ labels, value }) => [labels.i as string, value]))
  const lost = promised.filter(({ labels, value }) => held.get(labels.i as string) !== value).map(({ labels }) => labels.i)
  expect({ lost, printed: lost.length > 0 ? server.printed : '' }).toEqual({ lost: [], printed: '' })
  for (const [i, value] of held) expect([i, value, counts.get(i)]).toEqual([i, values.get(i), 1])
}
