/**
 * The whole server, in a process of its own: remote write end to end, durable before the answer, then query shapes as dashboards ask them.
 * 10,000 series (500 hosts x 20 metrics) x 120 samples at 10 s; CPU is that of all the server's threads. Run: npm run bench -- server
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fleetRequests, metrics as METRICS } from '../test/ingest/fleet.ts'
import { snappyCompress } from '../test/ingest/write-request.ts'
import { freePort, ServerProcess } from '../test/support/server-process.ts'
import { cpuSeconds } from './cpu-seconds.ts'

const SERIES = 10_000
const STEPS = 120
const STEP_MS = 10_000
const QUERY_SECONDS = 2

const folder = mkdtempSync(join(tmpdir(), 'tidemark-server-bench-'))
const server = await ServerProcess.start(await freePort(), ['--data', folder, '--log-level', 'error'])
try {
  const end = Math.floor(Date.now() / 60_000) * 60_000 - 60_000
  const start = end - (STEPS - 1) * STEP_MS
  const bodies = fleetRequests(SERIES, STEPS, end).map(snappyCompress)
  await ingest(bodies)
  const name = METRICS[0]
  console.log(`\nquery shape (${name})`.padEnd(52), 'p50 ms  p99 ms  CPU ms')
  for (const expr of [
    name,
    `max_over_time(${name}[1m])`,
    `rate(${name}[5m])`,
    `sum(rate(${name}[5m]))`,
    `quantile(0.9, ${name})`,
    `${name} > 50`,
  ]) {
    await ask(
      expr,
      `/api/v1/query_range?${new URLSearchParams({ query: expr, start: `${start / 1000}`, end: `${end / 1000}`, step: '60' })}`,
    )
  }
  for (const expr of [name, `topk(5, rate(${name}[5m]))`])
    await ask(`instant ${expr}`, `/api/v1/query?${new URLSearchParams({ query: expr, time: `${end / 1000}` })}`)
} finally {
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true })
}

async function ingest(bodies: readonly Uint8Array[]): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }
  const cpu = cpuSeconds(server.pid)
  const began = performance.now()
  let next = 0
  const connection = async () => {
    while (next < bodies.length) {
      const response = await fetch(`${server.url}/api/v1/write`, { method: 'POST', headers, body: bodies[next++].slice() })
      if (response.status !== 204) throw new Error(`${response.status}: ${await response.text()}`)
    }
  }
  await Promise.all([connection(), connection()])
  const seconds = (performance.now() - began) / 1000
  const counts = await Promise.all(METRICS.map((metric) => server.query(`sum(count_over_time(${metric}[1h]))`)))
  const counted = counts.reduce((sum, count) => sum + (Object.values(count)[0] ?? 0), 0)
  const samples = SERIES * bodies.length
  if (counted !== samples) throw new Error(`${counted} samples are answered, ${samples} were acknowledged`)
  const used = cpuSeconds(server.pid) - cpu
  console.log(
    `ingest, end to end: ${(samples / seconds / 1e6).toFixed(2)} M samples/s acknowledged, ${((used / samples) * 1e6).toFixed(3)} CPU s per million samples, projected`,
  )
}

async function ask(name: string, path: string): Promise<void> {
  const times: number[] = []
  const cpu = cpuSeconds(server.pid)
  const began = performance.now()
  while (performance.now() - began < QUERY_SECONDS * 1000) {
    const before = performance.now()
    const response = await fetch(server.url + path)
    await response.arrayBuffer()
    if (!response.ok) throw new Error(`${response.status} for ${path}`)
    times.push(performance.now() - before)
  }
  times.sort((a, b) => a - b)
  const at = (share: number) => times[Math.floor(times.length * share)].toFixed(2).padStart(7)
  console.log(name.padEnd(50), at(0.5), at(0.99), (((cpuSeconds(server.pid) - cpu) / times.length) * 1000).toFixed(2).padStart(7))
}
