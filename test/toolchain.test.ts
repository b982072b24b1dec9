import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Worker } from 'node:worker_threads'
import { expect, it } from '@jest/globals'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import type { ParquetTask } from './toolchain/parquet-worker.ts'

/** High and low half of each value: numbers that are equal may still differ in bits. */
const TRICKY: readonly (readonly [high: number, low: number])[] = [
  [0x3ff00000, 0],
  [0x80000000, 0], // -0
  [0, 0],
  [0x7ff80000, 0], // NaN
  [0x7ff00000, 2], // Prometheus' staleness marker: a NaN of its own
  [0xfff80000, 7],
  [0x7ff00000, 0], // +Inf
  [0xfff00000, 0],
  [0, 1], // the smallest denormal
  [0x7fefffff, 0xffffffff],
]

it('jest, SWC, an ESM-only package, a TypeScript worker, node:sqlite and Parquet hold together, bit for bit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-toolchain-'))
  try {
    // Repeated, so that a writer that may choose a dictionary would.
    const count = TRICKY.length * 100
    const bits = new Uint32Array(new SharedArrayBuffer(count * 8))
    for (let i = 0; i < count; i++) {
      const [high, low] = TRICKY[i % TRICKY.length]!
      bits.set([low, high], i * 2)
    }
    const times = Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i)
    const task: ParquetTask = { database: join(folder, 'files.db'), times, values: bits.buffer as SharedArrayBuffer }
    const worker = new Worker(new URL('./toolchain/parquet-worker.ts', import.meta.url), { workerData: task })
    const [byteLength] = await once(worker, 'message')
    await once(worker, 'exit')

    const store = new DatabaseSync(task.database, { readOnly: true })
    const row = store.prepare('SELECT bytes FROM files WHERE name = ?').get('values.parquet') as { bytes: Uint8Array }
    store.close()
    expect(row.bytes.byteLength).toBe(byteLength)

    const file = row.bytes.slice().buffer as ArrayBuffer
    const valueColumn = parquetMetadata(file).row_groups[0]?.columns[1]?.meta_data
    expect(valueColumn?.encodings).not.toContain('RLE_DICTIONARY')
    const rows = await parquetReadObjects({ file })
    expect(rows.map(({ timestamp }) => (timestamp as Date).getTime())).toEqual(times)
    const read = new Uint32Array(Float64Array.from(rows, ({ value }) => value as number).buffer)
    const numbers = (from: Uint32Array) => Array.from(new Float64Array(from.slice().buffer))
    // toEqual tells -0 from 0.
    expect(numbers(read)).toEqual(numbers(bits))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
