/**
 * The embedded log's two candidates: preallocated segment files (what stands) and SQLite in WAL mode with synchronous=FULL, a commit group at
 * a time, durable before the next begins. Prints commits/s, MB/s and CPU ms per MB. Run: npm run bench -- log
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { EmbeddedLogWriter } from '../src/engines/embedded/log/log-writer.ts'
import { SystemClock } from '../src/engines/system-clock.ts'

const SECONDS = 2
/** Of noise, so that compression is not what is measured. */
const noise = (bytes: number) => {
  const payload = new Uint8Array(bytes)
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(payload.subarray(at, Math.min(at + 65_536, bytes)))
  return payload
}

async function measure(name: string, bytes: number, commit: (payload: Uint8Array) => Promise<void>): Promise<void> {
  const payload = noise(bytes)
  await commit(payload)
  const cpu = process.cpuUsage()
  const start = performance.now()
  const times: number[] = []
  while (performance.now() - start < SECONDS * 1000) {
    const before = performance.now()
    await commit(payload)
    times.push(performance.now() - before)
  }
  const seconds = (performance.now() - start) / 1000
  const used = process.cpuUsage(cpu)
  const megabytes = (times.length * bytes) / 1e6
  const p99 = times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]
  console.log(
    `${name.padEnd(24)} ${String(bytes / 1024).padStart(5)} KiB ${(times.length / seconds).toFixed(0).padStart(7)} commits/s ${(megabytes / seconds).toFixed(0).padStart(6)} MB/s ${((used.user + used.system) / 1000 / megabytes).toFixed(2).padStart(6)} CPU ms/MB  p99 ${p99.toFixed(2)} ms`,
  )
}

const folder = mkdtempSync(join(tmpdir(), 'tidemark-log-bench-'))
try {
  for (const bytes of [64 * 1024, 512 * 1024]) {
    const log = await EmbeddedLogWriter.open({
      folder: join(folder, `log-${bytes}`),
      topic: 'bench',
      partitionCount: 1,
      clock: new SystemClock(),
    })
    await measure('segment files', bytes, async (payload) => {
      const ends = await log.append([{ partition: 0, headers: {}, payload }])
      // As retention does: what is let go of is used again.
      if ((ends.get(0) ?? 0) % 64 === 0) await log.trim(ends)
    })
    await log.close()
    const db = new DatabaseSync(join(folder, `log-${bytes}.db`))
    db.exec('pragma journal_mode=wal; pragma synchronous=full; create table log(id integer primary key, payload blob)')
    const insert = db.prepare('insert into log(payload) values (?)')
    await measure('SQLite, WAL, FULL', bytes, async (payload) => {
      insert.run(payload)
    })
    db.close()
  }
} finally {
  rmSync(folder, { recursive: true })
}
