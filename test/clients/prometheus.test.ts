import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { describeIf, toolPath } from '../support/requirements.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

type Points = Map<string, Map<number, string>>

async function range(url: string, query: string, start: number, end: number): Promise<Points> {
  const response = await fetch(`${url}/api/v1/query_range?${new URLSearchParams({ query, start: `${start}`, end: `${end}`, step: '3' })}`)
  const body = (await response.json()) as { data: { result: { metric: Record<string, string>; values: [number, string][] }[] } }
  return new Map(body.data.result.map(({ metric, values }) => [JSON.stringify(Object.entries(metric).sort()), new Map(values)]))
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await condition().catch(() => false)) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`waited in vain until ${what}`)
}

const queries = [
  'up',
  'rate(prometheus_tsdb_head_samples_appended_total[10s])',
  'sum by (job) (scrape_samples_scraped)',
  'histogram_quantile(0.9, sum by (le) (rate(prometheus_http_request_duration_seconds_bucket[15s])))',
  'topk(3, go_memstats_heap_alloc_bytes)',
  'avg_over_time(scrape_duration_seconds[10s])',
  '{__name__=~"node_.*"}',
  '{__name__=~"prometheus_.*"}',
]

describeIf('prometheus', 'its remote write and its answers are compared with ours', 'beside a real Prometheus', (prometheus) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-prometheus-'))
  const children: ChildProcess[] = []
  let tidemark: ServerProcess
  let peer = ''
  const startedAt = Date.now() / 1000

  beforeAll(async () => {
    const [own, port, exporterPort] = [await freePort(), await freePort(), await freePort()]
    peer = `http://127.0.0.1:${port}`
    const exporter = toolPath('node_exporter')
    if (exporter !== null) children.push(spawn(exporter, [`--web.listen-address=127.0.0.1:${exporterPort}`], { stdio: 'ignore' }))
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: prometheus, static_configs: [{ targets: ['127.0.0.1:${port}'] }] }
  - { job_name: node, static_configs: [{ targets: ['127.0.0.1:${exporterPort}'] }] }
remote_write: [{ url: 'http://127.0.0.1:${own}/api/v1/write', queue_config: { batch_send_deadline: 200ms } }]
`,
    )
    tidemark = await ServerProcess.start(own, ['--data', join(folder, 'tidemark')])
    const args = [
      '--config.file',
      join(folder, 'prometheus.yml'),
      '--storage.tsdb.path',
      join(folder, 'tsdb'),
      '--web.listen-address',
      `127.0.0.1:${port}`,
    ]
    children.push(spawn(prometheus, [...args, '--log.level=error'], { stdio: 'ignore' }))
    await until('samples have come', async () => Object.keys(await tidemark.query('up')).length === 2)
  }, 60_000)

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL')
    await tidemark.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it('answers as that Prometheus does, also after it was killed in the middle', async () => {
    await new Promise((resolve) => setTimeout(resolve, 6000))
    const port = Number(new URL(tidemark.url).port)
    await tidemark.kill('SIGKILL')
    tidemark = await ServerProcess.start(port, ['--data', join(folder, 'tidemark')])
    await new Promise((resolve) => setTimeout(resolve, 6000))
    const end = Math.floor(Date.now() / 1000) - 2
    // What Prometheus sends again after our absence comes late, but it comes.
    await until('everything has been sent', async () => (await range(tidemark.url, 'up', end, end)).size === 2)
    for (const query of queries) {
      const [ours, theirs] = [await range(tidemark.url, query, startedAt, end), await range(peer, query, startedAt, end)]
      expect([query, [...ours.keys()].sort()]).toEqual([query, [...theirs.keys()].sort()])
      for (const [series, points] of theirs) {
        expect([series, [...(ours.get(series) ?? new Map()).keys()]]).toEqual([series, [...points.keys()]])
        for (const [time, value] of points) expect(Number(ours.get(series)?.get(time))).toBeCloseToRelative(Number(value))
      }
    }
  }, 60_000)
})

declare module 'expect' {
  interface Matchers<R> {
    toBeCloseToRelative(expected: number): R
  }
}

expect.extend({
  toBeCloseToRelative(received: number, expected: number) {
    const pass = Object.is(received, expected) || Math.abs(received - expected) <= 1e-9 * Math.max(Math.abs(received), Math.abs(expected))
    return { pass, message: () => `expected ${expected} to 1e-9, met ${received}` }
  },
})
