/**
 * A cluster on this machine, engines included: two processes each of ingest, project and query on the Kafka and Cassandra of
 * `npm run engines -- up`, and before them one process on files, sent the same. 20,000 series (1,000 hosts x 20 metrics) x 300 samples at
 * 10 s in requests of 5,000 samples over 8 connections a process: samples/s acknowledged and projected, CPU seconds by role (Tidemark's
 * own processes alone), bytes a sample in Kafka and in blocks, and how long after its acknowledgement a sample is answered by every query
 * node while load goes on. Run: npm run bench -- cluster   (SERIES=100000 STEPS=60 for other sizes)
 */

import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { addressesOf, defaultRun } from '../scripts/engines/index.mjs'
import { fleetRequests, metrics as METRICS } from '../test/ingest/fleet.ts'
import { snappyCompress } from '../test/ingest/write-request.ts'
import { freePort, ServerProcess } from '../test/support/server-process.ts'
import { cpuSeconds } from './cpu-seconds.ts'

const SERIES = Number(process.env.SERIES ?? 20_000)
const STEPS = Number(process.env.STEPS ?? 300)
const SERIES_A_REQUEST = 5000
const CONNECTIONS = 8
const PROBES = 200

const memoryMiB = (pid: number) => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

/** Parts of a WriteRequest, so many series each: it is a list of fields. */
function split(request: Uint8Array, series: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  let count = 0
  for (let at = 0; at < request.length; ) {
    at++
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = request[at++]
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    at += length
    if (++count === series || at === request.length) {
      parts.push(request.subarray(start, at))
      start = at
      count = 0
    }
  }
  return parts
}

const { kafka, cassandra } = await addressesOf()
if (kafka === undefined || cassandra === undefined) throw new Error('the engines are not up: npm run engines -- up kafka cassandra')
const folder = mkdtempSync(join(tmpdir(), 'tidemark-cluster-bench-'))
const name = `bench${randomUUID().slice(0, 8)}`
const config = join(folder, 'cluster.yaml')
writeFileSync(
  config,
  `engines:\n  kafka: { brokers: [${kafka.map((broker) => `'${broker}'`).join()}], topic_prefix: ${name} }\n  cassandra: { contact_points: ['${cassandra}'], keyspace: ${name} }\nquery_workers: 1\n`,
)
const end = Math.floor(Date.now() / 60_000) * 60_000 - 60_000
console.log(`encoding ${((SERIES * STEPS) / 1e6).toFixed(1)} M samples`)
const bodies = fleetRequests(SERIES, STEPS, end).flatMap((request) => split(request, SERIES_A_REQUEST).map(snappyCompress))
await embedded()
const migrated = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'src/main.ts', 'migrate', '--config', config], {
  encoding: 'utf8',
})
if (migrated.status !== 0) throw new Error(migrated.stderr)
const processes = new Map<string, ServerProcess[]>()
for (const role of ['ingest', 'project', 'query']) {
  processes.set(
    role,
    await Promise.all(
      [0, 1].map(async () => ServerProcess.start(await freePort(), ['--config', config, '--roles', role, '--log-level', 'warn'])),
    ),
  )
}
const all = [...processes.values()].flat()
const queryNodes = processes.get('query')!
try {
  await ingest()
  await freshness()
  await sealed()
  for (const [role, some] of processes)
    console.log(`memory at most, ${role}: ${some.map(({ pid }) => memoryMiB(pid).toFixed(0)).join(', ')} MiB`)
} catch (error) {
  console.error(error)
  throw error
} finally {
  await Promise.all(all.map((one) => one.kill('SIGKILL')))
  rmSync(folder, { recursive: true })
}

/** One process on files, for comparison. */
async function embedded(): Promise<void> {
  const server = await ServerProcess.start(await freePort(), ['--data', join(folder, 'data'), '--log-level', 'error'])
  const before = cpuSeconds(server.pid)
  const began = performance.now()
  await send(bodies, [server])
  const acknowledged = (performance.now() - began) / 1000
  const samples = SERIES * STEPS
  while ((await counted(server)) < samples) await pause(50)
  const used = cpuSeconds(server.pid) - before
  console.log(
    `one process on files: acknowledged ${rate(samples, acknowledged)}, CPU seconds per million samples ${((used / samples) * 1e6).toFixed(3)}`,
  )
  await server.kill('SIGKILL')
}

async function ingest(): Promise<void> {
  const before = new Map(all.map((one) => [one, cpuSeconds(one.pid)]))
  const began = performance.now()
  await send(bodies, processes.get('ingest')!)
  const acknowledged = (performance.now() - began) / 1000
  const samples = SERIES * STEPS
  for (const node of queryNodes) while ((await counted(node)) < samples) await pause(100)
  const answered = (performance.now() - began) / 1000
  await settled()
  const projected = (performance.now() - began) / 1000
  console.log(
    `acknowledged ${rate(samples, acknowledged)}, answered by both query nodes ${rate(samples, answered)}, projected ${rate(samples, projected)}`,
  )
  let sum = 0
  for (const [role, some] of processes) {
    const used = some.reduce((total, one) => total + cpuSeconds(one.pid) - before.get(one)!, 0)
    sum += used
    console.log(`CPU seconds per million samples, ${role}: ${((used / samples) * 1e6).toFixed(3)}`)
  }
  console.log(`CPU seconds per million samples, all six: ${((sum / samples) * 1e6).toFixed(3)}`)
  console.log(`bytes a sample in Kafka, keys, headers and index included: ${(kafkaBytes() / samples).toFixed(2)}`)
}

async function counted(node: ServerProcess): Promise<number> {
  const counts = await Promise.all(
    METRICS.map((metric) => node.query(`sum(count_over_time(${metric}[${Math.ceil((STEPS * 10) / 3600) + 1}h]))`)),
  )
  return counts.reduce((sum, count) => sum + (Object.values(count)[0] ?? 0), 0)
}

/** The sum of a metric's values, whatever their labels. */
async function metricOf(one: ServerProcess, name: string): Promise<number> {
  const text = await (await fetch(`${one.url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Until the projectors have applied all. */
async function settled(): Promise<void> {
  for (;;) {
    const lags = await Promise.all(processes.get('project')!.map((one) => metricOf(one, 'tidemark_projection_lag_records')))
    if (lags.every((lag) => lag === 0)) return
    await pause(50)
  }
}

async function send(requests: readonly Uint8Array[], nodes: readonly ServerProcess[]): Promise<void> {
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }
  let next = 0
  const connection = async (url: string) => {
    while (next < requests.length) {
      const response = await fetch(`${url}/api/v1/write`, { method: 'POST', headers, body: requests[next++].slice() })
      if (response.status !== 204) throw new Error(`${response.status}: ${await response.text()}`)
    }
  }
  await Promise.all(nodes.flatMap(({ url }) => Array.from({ length: CONNECTIONS }, () => connection(url))))
}

/** Half of the load again, the same samples, while probes are pushed one after another and asked for at every query node. */
async function freshness(): Promise<void> {
  const loading = send(bodies.slice(0, Math.floor(bodies.length / 2)), processes.get('ingest')!)
  const took: number[] = []
  const [{ url }] = processes.get('ingest')!
  for (let i = 0; i < PROBES; i++) {
    const body = JSON.stringify({ series: [{ labels: { __name__: 'probe' }, samples: [[Date.now(), i]] }] })
    const pushed = await fetch(`${url}/api/v1/push`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    if (!pushed.ok) throw new Error(await pushed.text())
    const acknowledged = performance.now()
    await Promise.all(
      queryNodes.map(async (node) => {
        while (Object.values(await node.query('probe'))[0] !== i) await pause(1)
        took.push(performance.now() - acknowledged)
      }),
    )
  }
  await loading
  took.sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))].toFixed(0)
  console.log(
    `a new sample is answered after its acknowledgement, ${took.length} looks under load: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`,
  )
}

async function sealed(): Promise<void> {
  await settled()
  const before = await Promise.all(processes.get('project')!.map((one) => metricOf(one, 'tidemark_cassandra_written_bytes_total')))
  for (const one of processes.get('project')!) {
    const response = await fetch(`${one.url}/-/seal`, { method: 'POST' })
    if (!response.ok) throw new Error(await response.text())
  }
  const after = await Promise.all(processes.get('project')!.map((one) => metricOf(one, 'tidemark_cassandra_written_bytes_total')))
  const bytes = after.reduce((sum, value, i) => sum + value - before[i], 0)
  console.log(
    `bytes a sample written to Cassandra by the last flush and sealing, fresh and sealed blocks together: ${(bytes / (SERIES * STEPS)).toFixed(2)}`,
  )
}

function kafkaBytes(): number {
  const logs = readdirSync(defaultRun()).filter((entry) => /^kafka-\d+$/.test(entry))
  let bytes = 0
  for (const log of logs) {
    const data = join(defaultRun(), log, 'data')
    for (const partition of readdirSync(data).filter((entry) => entry.startsWith(`${name}.samples-`))) {
      for (const file of readdirSync(join(data, partition)).filter((entry) => entry.endsWith('.log')))
        bytes += statSync(join(data, partition, file)).size
    }
  }
  return bytes
}

function rate(samples: number, seconds: number): string {
  return `${(samples / seconds / 1e6).toFixed(2)} M samples/s`
}
