import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { EmbeddedLogWriter } from '../../../../src/engines/embedded/log/log-writer.ts'
import { record } from '../../../contracts/support/log-records.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'))
})

afterEach(() => rm(folder, { recursive: true }))

const open = () =>
  EmbeddedLogWriter.open({ folder, topic: 'test', partitionCount: 4, clock: { nowMs: () => 1_800_000_000_000 }, segmentBytes: 128 * 1024 })

/** Kills the appending process once it has acknowledged so many. @returns what it acknowledged */
async function killedAfter(acknowledged: number, life: string): Promise<string[]> {
  const child = spawn(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, 'appender.child.ts'),
    folder,
    life,
  ])
  let output = ''
  for await (const chunk of child.stdout) {
    output += chunk
    if (output.split('\n').length > acknowledged) child.kill('SIGKILL')
  }
  return output.slice(0, output.lastIndexOf('\n')).split('\n')
}

describe('a process killed with -9 in the middle of appends', () => {
  it('has lost nothing that it acknowledged, and doubled nothing', async () => {
    const acknowledged: string[] = []
    for (const [life, count] of [40, 300, 777].entries()) {
      acknowledged.push(...(await killedAfter(count, `life${life}`)))
      const log = await open()
      const held: string[] = []
      const ends = await log.ends()
      const total = [...ends.values()].reduce((sum, end) => sum + end, 0)
      for await (const { records } of log.read(await log.starts(), new AbortController().signal)) {
        for (const { partition, offset, headers, payload } of records) {
          expect(Buffer.from(payload).toString('latin1').startsWith(`${headers.ce_id}=`)).toBe(true)
          held.push(`${partition}@${offset}=${headers.ce_id}`)
        }
        if (held.length === total) break
      }
      expect(log.findings.filter(({ kind }) => kind !== 'torn-tail')).toEqual([])
      const texts = new Set(held.map((line) => line.split('=')[1]))
      expect(texts.size).toBe(held.length)
      const places = new Set(held)
      expect(acknowledged.filter((line) => !places.has(line))).toEqual([])
      await log.close()
    }
    expect(acknowledged.length).toBeGreaterThan(1000)
  })
})

describe('a reader in another thread', () => {
  it('sees what is appended, in order, and its event loop is free while it waits', async () => {
    const log = await open()
    await log.append([record(0, 'old')])
    const worker = new Worker(join(import.meta.dirname, 'tail.worker.ts'), { workerData: { folder, shared: log.shared } })
    const seen: string[] = []
    const until = (done: (message: { pong?: boolean; ended?: boolean }) => boolean) =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject)
        worker.on('message', (message) => {
          if (done(message)) resolve()
        })
      })
    worker.on('message', ({ records }: { records?: string[] }) => seen.push(...(records ?? [])))
    const first = until(() => seen.length === 1)
    await first
    const pong = until((message) => message.pong === true)
    worker.postMessage('ping')
    await pong
    const all = until(() => seen.length === 1201)
    for (let i = 0; i < 300; i++) await log.append([0, 1, 2, 3].map((partition) => record(partition, `${i}`.padEnd(300, '.'))))
    await all
    for (let partition = 0; partition < 4; partition++) {
      const offsets = seen.filter((line) => line.startsWith(`${partition}@`)).map((line) => Number.parseInt(line.slice(2), 10))
      expect(offsets).toEqual(Array.from({ length: partition === 0 ? 301 : 300 }, (_, i) => i))
    }
    const exited = once(worker, 'exit')
    worker.postMessage('end')
    await exited
    await log.close()
  })
})
