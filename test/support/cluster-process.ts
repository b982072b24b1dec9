import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Client } from 'cassandra-driver'
import { Kafka, logLevel } from 'kafkajs'
import { MEMBERSHIP_TOPIC, OPERATIONS_TOPIC, SAMPLES_TOPIC } from '../../src/domain/events/topics.ts'
import { freePort, ServerProcess } from './server-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const READY_MS = 60_000

export type ClusterRole = 'ingest' | 'project' | 'query' | 'collect'

export interface ClusterOptions {
  readonly kafka: readonly string[]
  readonly cassandra: string
  readonly partitions?: number
  /** More lines of the configuration. */
  readonly more?: string
}

/** Tidemark of many processes on real engines, in topics and a keyspace of its own, each process known and to be hurt. */
export class ClusterProcesses {
  readonly name = `fault${randomUUID().slice(0, 8)}`
  readonly partitions: number
  readonly nodes: Record<ClusterRole, ServerProcess[]> = { ingest: [], project: [], query: [], collect: [] }
  readonly #options: ClusterOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'tidemark-faults-'))
  readonly #all: ServerProcess[] = []

  private constructor(options: ClusterOptions) {
    this.#options = options
    this.partitions = options.partitions ?? 8
    const brokers = options.kafka.map((broker) => `'${broker}'`).join(', ')
    writeFileSync(
      this.#config,
      `engines:\n  kafka: { brokers: [${brokers}], topic_prefix: ${this.name}, session_timeout: 6s }\n` +
        `  cassandra: { contact_points: ['${options.cassandra}'], keyspace: ${this.name} }\n` +
        `partitions: ${this.partitions}\nlog_level: info\nlimits: { head_memory: 128MB }\nquery_workers: 1\n${options.more ?? ''}`,
    )
  }

  /** Makes topics and keyspace, then starts so many processes of each role. */
  static async start(options: ClusterOptions, counts: Partial<Record<ClusterRole, number>>): Promise<ClusterProcesses> {
    const cluster = new ClusterProcesses(options)
    try {
      await cluster.#migrate()
      for (const role of ['project', 'ingest', 'query', 'collect'] as const) {
        await Promise.all(Array.from({ length: counts[role] ?? 0 }, () => cluster.add(role)))
      }
      return cluster
    } catch (error) {
      await cluster.remove()
      throw error
    }
  }

  get #config(): string {
    return join(this.#folder, 'cluster.yaml')
  }

  /** A process more. Resolves when it is ready. */
  async add(role: ClusterRole): Promise<ServerProcess> {
    const node = await ServerProcess.start(await freePort(), ['--config', this.#config, '--roles', role], READY_MS)
    this.nodes[role].push(node)
    this.#all.push(node)
    return node
  }

  /** Ends a process: it is none of `nodes` from now on. @returns its exit code */
  end(role: ClusterRole, node: ServerProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.nodes[role] = this.nodes[role].filter((other) => other !== node)
    return node.kill(signal)
  }

  urls(role: ClusterRole): string[] {
    return this.nodes[role].map(({ url }) => url)
  }

  /** Has every projector write and seal all that it holds. @returns how many buckets were sealed */
  async seal(): Promise<number> {
    let sealed = 0
    for (const url of this.urls('project')) {
      const response = await fetch(`${url}/-/seal`, { method: 'POST' })
      const text = await response.text()
      if (!response.ok) throw new Error(`sealing failed: ${response.status} ${text}`)
      sealed += (JSON.parse(text) as { data: { sealedBuckets: number } }).data.sealedBuckets
    }
    return sealed
  }

  /** Waits until the projectors that are asked hold every partition between them, each once, and have applied what they know of. */
  async projected(timeoutMs = 90_000): Promise<void> {
    await eventually(
      async () => {
        const texts = await Promise.all(this.urls('project').map(metricsOf))
        const held = texts.flatMap((text) => labelledValues(text, 'tidemark_projection_lag_records'))
        const partitions = held.map(([partition]) => partition).sort()
        const lag = held.reduce((sum, [, value]) => sum + value, 0)
        const wanted = Array.from({ length: this.partitions }, (_, partition) => `${partition}`).sort()
        return partitions.join() === wanted.join() && lag === 0 ? null : `partitions ${partitions.join()} held, ${lag} records behind`
      },
      timeoutMs,
      'the projectors do not hold all',
    )
  }

  /** Ends all that still runs, and removes what was made. */
  async remove(): Promise<void> {
    await Promise.all(this.#all.map((node) => node.kill('SIGKILL')))
    rmSync(this.#folder, { recursive: true, force: true })
    await Promise.allSettled([this.#removeTopics(), this.#removeKeyspace()])
  }

  async #migrate(): Promise<void> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'src/main.ts', 'migrate', '--config', this.#config], {
      cwd: root,
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString()
      })
    }
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new Error(`migrating failed: ${output}`)
  }

  async #removeTopics(): Promise<void> {
    const admin = new Kafka({ brokers: [...this.#options.kafka], logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin()
    await admin.connect()
    const topics = [SAMPLES_TOPIC, OPERATIONS_TOPIC, MEMBERSHIP_TOPIC].map((topic) => topic.replace('tidemark', this.name))
    await admin.deleteTopics({ topics })
    await admin.disconnect()
  }

  async #removeKeyspace(): Promise<void> {
    const client = new Client({ contactPoints: [this.#options.cassandra], localDataCenter: 'datacenter1' })
    await client.execute(`DROP KEYSPACE IF EXISTS ${this.name}`)
    await client.shutdown()
  }
}

/** Text of `/metrics`. */
export async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(5000) })).text()
}

/** Values of a metric with one label: the label's value and the metric's. */
export function labelledValues(text: string, metric: string): [string, number][] {
  return [...text.matchAll(new RegExp(`^${metric}\\{[a-z]+="([^"]*)"\\} (\\S+)`, 'gm'))].map(([, label, value]) => [label, Number(value)])
}

/** Value of a metric without labels; NaN if it is not there. */
export function plainValue(text: string, metric: string): number {
  return Number(new RegExp(`^${metric} (\\S+)`, 'm').exec(text)?.[1])
}

/** Asks again until the answer is null; it says what is missing otherwise. Failures count as not yet. */
export async function eventually(ask: () => Promise<string | null>, timeoutMs: number, what: string): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const missing = await ask().catch((error: unknown) => String(error))
    if (missing === null) return
    if (Date.now() > deadline) throw new Error(`${what} after ${timeoutMs / 1000} s: ${missing}`)
    await delay(200)
  }
}
