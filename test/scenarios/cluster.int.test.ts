import { spawn, spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { fleetRequests, metrics } from '../ingest/fleet.ts'
import { snappyCompress } from '../ingest/write-request.ts'
import { describeWithEngines } from '../support/engines.ts'
import { toolPath } from '../support/requirements.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const SERIES = Number(process.env.TIDEMARK_SCENARIO_SERIES ?? 2000)
const STEPS = 60
const HEADERS = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }

const queries = [
  'sum by (region) (cpu_usage_user)',
  'count({__name__=~".+"})',
  'sum(rate(http_requests_total[5m]))',
  'topk(5, avg_over_time(mem_used_bytes[5m]))',
  'quantile by (service) (0.9, request_latency_ms)',
  'max_over_time(queue_messages{host="host-00003"}[10m])',
  'sum by (team) (increase(network_receive_bytes_total{env="production"}[2m]))',
  'load_average_1m{pool="pool-1"} > 0.5',
  'stddev by (datacenter) (disk_used_percent)',
]

/** Two processes of each role beside one that does everything on files, and beside a Prometheus, all sent the same. */
describeWithEngines(['kafka', 'cassandra'], 'the roles meet in them', 'a cluster', (addresses) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-cluster-'))
  const config = join(folder, 'cluster.yaml')
  const name = `test${randomUUID().slice(0, 8)}`
  const end = Math.floor(Date.now() / 60_000) * 60_000
  const nodes: Record<'ingest' | 'project' | 'query', ServerProcess[]> = { ingest: [], project: [], query: [] }
  let embedded: ServerProcess
  let prometheus: { url: string; stop: () => void } | null = null
  let bodies: Uint8Array[] = []

  const start = async (role: string) => ServerProcess.start(await freePort(), ['--config', config, '--roles', role])

  beforeAll(async () => {
    writeFileSync(
      config,
      `engines:\n  kafka: { brokers: [${addresses.kafka.map((broker) => `'${broker}'`)}], topic_prefix: ${name}, session_timeout: 6s }\n` +
        `  cassandra: { contact_points: ['${addresses.cassandra}'], keyspace: ${name} }\npartitions: 8\nlog_level: warn\nlimits: { head_memory: 256MB }\n`,
    )
    const migrated = spawnSync(process.execPath, ['src/main.ts', 'migrate', '--config', config], { cwd: root, encoding: 'utf8' })
    expect([migrated.status, migrated.stderr]).toEqual([0, expect.anything()])
    for (const role of ['ingest', 'project', 'query'] as const) nodes[role] = await Promise.all([start(role), start(role)])
    embedded = await ServerProcess.start(await freePort(), ['--data', join(folder, 'embedded')])
    prometheus = await startPrometheus(folder)
    bodies = fleetRequests(SERIES, STEPS, end).map(snappyCompress)
  }, 180_000)

  afterAll(async () => {
    await Promise.all([...Object.values(nodes).flat(), embedded].map((one) => one?.kill('SIGKILL')))
    prometheus?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const send = async (url: string, body: Uint8Array) => {
    const response = await fetch(`${url}/api/v1/write`, { method: 'POST', headers: HEADERS, body: body.slice() })
    expect([response.status, await response.text()]).toEqual([204, ''])
  }

  /** To one of the ingest processes in turn, and to those beside. */
  const sendAll = async (some: readonly Uint8Array[]) => {
    for (const [i, body] of some.entries()) {
      await Promise.all(
        [nodes.ingest[i % nodes.ingest.length].url, embedded.url, ...(prometheus ? [prometheus.url] : [])].map((url) => send(url, body)),
      )
    }
  }

  const ask = async (url: string, query: string) => {
    const parameters = new URLSearchParams({ query, start: `${end / 1000 - 600}`, end: `${end / 1000}`, step: '30' })
    const response = await fetch(`${url}/api/v1/query_range?${parameters}`)
    const body = (await response.json()) as { data: { result: { metric: object; values: [number, string][] }[] } }
    expect(response.status).toBe(200)
    return new Map(body.data.result.map(({ metric, values }) => [JSON.stringify(Object.entries(metric).sort()), values]))
  }

  /** Sums depend on the order of the series in their last bits, and every process has its own. */
  const sameEverywhere = async () => {
    const peers = [...nodes.query.map(({ url }) => url), ...(prometheus === null ? [] : [prometheus.url])]
    for (const query of queries) {
      const expected = await ask(embedded.url, query)
      expect(expected.size).toBeGreaterThan(0)
      for (const url of peers) {
        const met = await ask(url, query)
        expect([query, [...met.keys()].sort()]).toEqual([query, [...expected.keys()].sort()])
        for (const [labels, values] of expected) {
          for (const [i, [time, value]] of values.entries()) {
            const [metTime, metValue] = met.get(labels)![i]
            expect([query, labels, metTime]).toEqual([query, labels, time])
            expect(Math.abs(Number(metValue) - Number(value))).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(Number(value))))
          }
        }
      }
    }
  }

  const all = metrics.map((metric) => `sum(count_over_time(${metric}[1h] @ ${end / 1000}))`).join(' + ')

  /** Acknowledged is not yet applied: a query that asks for the end of the log waits for it. */
  const caughtUp = async () => {
    for (const node of nodes.query) {
      for (let tries = 0; ; tries++) {
        const [counted = 0] = Object.values(await node.query(all))
        const [wanted] = Object.values(await embedded.query(all))
        if (counted === wanted) break
        if (tries > 200) throw new Error(`a query process answers ${counted} samples of ${wanted}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  const seal = async () => {
    let sealed = 0
    for (const node of nodes.project) {
      const response = await fetch(`${node.url}/-/seal`, { method: 'POST' })
      expect(response.status).toBe(200)
      sealed += ((await response.json()) as { data: { sealedBuckets: number } }).data.sealedBuckets
    }
    return sealed
  }

  it('answers as one process does, from heads alone', async () => {
    await sendAll(bodies.slice(0, 30))
    await caughtUp()
    await sameEverywhere()
  }, 120_000)

  it('answers the same when blocks hold a part, and a query process has begun anew from them', async () => {
    expect(await seal()).toBeGreaterThan(0)
    await sendAll(bodies.slice(30, 45))
    await nodes.query[1].kill('SIGKILL')
    nodes.query[1] = await start('query')
    await caughtUp()
    await sameEverywhere()
  }, 120_000)

  it('shares the partitions among its projectors, and goes on when one is killed and one leaves', async () => {
    const held = async (node: ServerProcess) =>
      Number(/^tidemark_projection_partitions (\d+)/m.exec(await (await fetch(`${node.url}/metrics`)).text())?.[1])
    expect(await Promise.all(nodes.project.map(held))).toEqual([4, 4])
    await nodes.project[0].kill('SIGKILL')
    await sendAll(bodies.slice(45, 55))
    nodes.project[0] = await start('project')
    expect(await nodes.project[1].kill('SIGTERM')).toBe(0)
    nodes.project.pop()
    for (let tries = 0; (await held(nodes.project[0])) !== 8; tries++) {
      expect(tries).toBeLessThan(300)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await sendAll(bodies.slice(55))
    await caughtUp()
    expect(await seal()).toBeGreaterThan(0)
    await sameEverywhere()
    await Promise.all(nodes.query.map((node) => node.kill('SIGKILL')))
    nodes.query = [await start('query')]
    await sameEverywhere()
  }, 180_000)

  it('tells a process that is asked for what it does not do which one to ask', async () => {
    const { url } = nodes.ingest[0]
    const asked = await fetch(`${url}/api/v1/query?query=up`)
    expect([asked.status, await asked.text()]).toEqual([404, expect.stringContaining('ask one with the role query (its own: ingest)')])
    const pushed = await fetch(`${nodes.query[0].url}/api/v1/write`, { method: 'POST', headers: HEADERS, body: bodies[0].slice() })
    expect([pushed.status, await pushed.text()]).toEqual([404, expect.stringContaining('the role ingest')])
  })
})

/** One that takes remote writes; null where there is none. */
async function startPrometheus(folder: string): Promise<{ url: string; stop: () => void } | null> {
  const program = toolPath('prometheus')
  if (program === null) return null
  const port = await freePort()
  writeFileSync(join(folder, 'prometheus.yml'), 'global: {}\n')
  const args = ['--config.file', join(folder, 'prometheus.yml'), '--storage.tsdb.path', join(folder, 'tsdb')]
  const child = spawn(
    program,
    [...args, '--web.enable-remote-write-receiver', '--web.listen-address', `127.0.0.1:${port}`, '--log.level=error'],
    {
      stdio: 'ignore',
    },
  )
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; !(await fetch(`${url}/-/ready`).catch(() => null))?.ok; tries++) {
    if (tries > 200) throw new Error('Prometheus does not get ready')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return { url, stop: () => child.kill('SIGKILL') }
}
