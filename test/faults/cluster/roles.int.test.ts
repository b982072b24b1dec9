import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { ClusterProcesses, eventually, labelledValues, metricsOf } from '../../support/cluster-process.ts'
import { describeWithEngines } from '../../support/engines.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { Ledger } from './ledger.ts'

/** Longer than the session timeout of the group, which is 6 s. */
const STOPPED_MS = 9000

describeWithEngines(['kafka', 'cassandra'], 'processes are killed and stopped that share them', 'two processes a role', (addresses) => {
  let cluster: ClusterProcesses
  let ledger: Ledger | null = null

  beforeAll(async () => {
    cluster = await ClusterProcesses.start({ kafka: addresses.kafka, cassandra: addresses.cassandra }, { ingest: 2, project: 2, query: 2 })
    await cluster.projected()
  }, 240_000)

  afterEach(() => ledger?.end())

  afterAll(() => cluster?.remove(), 60_000)

  /** From heads, from blocks, and while one becomes the other. */
  const expectAll = async (sent: Ledger) => {
    await sent.end()
    await sent.expectExactly()
    const sealing = cluster.seal()
    await sent.expectStill()
    expect(await sealing).toBeGreaterThan(0)
    await sent.expectStill()
  }

  /** Hurts it in the middle of work, and starts another one. @returns how long it took until all was as before */
  const killed = async (role: 'ingest' | 'project' | 'query', sent: Ledger) => {
    await sent.more(150)
    const [victim] = cluster.nodes[role]
    // A projector is killed while it writes blocks.
    const sealing = role === 'project' ? fetch(`${victim.url}/-/seal`, { method: 'POST' }).catch(() => null) : null
    await delay(30)
    await cluster.end(role, victim, 'SIGKILL')
    const startMs = Date.now()
    await sealing
    await sent.more(100)
    const added = await cluster.add(role)
    await asBefore(added, role, sent)
    const recoveryMs = Date.now() - startMs
    await sent.more(100)
    return recoveryMs
  }

  const stopped = async (
    role: 'ingest' | 'project' | 'query',
    sent: Ledger,
    meanwhile: (victim: ServerProcess) => Promise<unknown> = async () => {},
  ) => {
    const [victim] = cluster.nodes[role]
    process.kill(victim.pid, 'SIGSTOP')
    await Promise.all([delay(STOPPED_MS), sent.more(6), meanwhile(victim)])
    process.kill(victim.pid, 'SIGCONT')
    const startMs = Date.now()
    await asBefore(victim, role, sent)
    const recoveryMs = Date.now() - startMs
    await sent.more(100)
    return recoveryMs
  }

  /** Projectors hold all and are not behind; who was hurt does its part again. */
  const asBefore = async (node: ServerProcess, role: 'ingest' | 'project' | 'query', sent: Ledger) => {
    await cluster.projected()
    if (role === 'query') await sent.answersRecent(node.url)
    if (role === 'ingest') await sent.takes(node.url)
    if (role !== 'project') return
    await eventually(
      async () => {
        const held = labelledValues(await metricsOf(node.url), 'tidemark_projection_lag_records').length
        return held === cluster.partitions / 2 ? null : `${held} of ${cluster.partitions} partitions`
      },
      30_000,
      'the projector does not have its share again',
    )
  }

  for (const role of ['ingest', 'project', 'query'] as const) {
    it(`loses and doubles nothing when a process of the role ${role} is killed`, async () => {
      ledger = new Ledger(cluster, `kill-${role}`)
      const recoveryMs = await killed(role, ledger)
      await expectAll(ledger)
      ledger.report(`kill -9 of ${role}`, recoveryMs)
    }, 180_000)
  }

  it('loses and doubles nothing when an ingest process stands still', async () => {
    ledger = new Ledger(cluster, 'stop-ingest')
    await ledger.more(100)
    const recoveryMs = await stopped('ingest', ledger)
    // Its answers came too late, or not at all.
    expect(ledger.answers.TimeoutError).toBeGreaterThan(0)
    await expectAll(ledger)
    ledger.report('SIGSTOP of ingest, 9 s', recoveryMs)
  }, 180_000)

  it('leaves the partitions of a projector that stands still in a seal to others, and it finds out', async () => {
    ledger = new Ledger(cluster, 'stop-project')
    const [victim, other] = cluster.nodes.project
    await ledger.more(200)
    const printed = victim.output.length
    // It is stopped while it writes blocks; when it goes on they are no longer its own to write.
    const sealing = fetch(`${victim.url}/-/seal`, { method: 'POST' }).then((response) => response.text())
    await delay(30)
    const recoveryMs = await stopped('project', ledger, () =>
      eventually(
        async () => {
          const held = labelledValues(await metricsOf(other.url), 'tidemark_projection_lag_records')
          return held.length === cluster.partitions ? null : `the other one holds ${held.length}`
        },
        30_000,
        'the partitions are not taken over',
      ),
    )
    await sealing.catch(() => {})
    expect(victim.output.slice(printed)).toMatch(/others may own its partitions|another projector has taken the partition/)
    await expectAll(ledger)
    ledger.report('SIGSTOP of project in a seal, 9 s', recoveryMs)
  }, 180_000)

  it('has a query process that stood still answer what it missed', async () => {
    ledger = new Ledger(cluster, 'stop-query')
    const other = cluster.nodes.query[1]
    await ledger.more(100)
    const recoveryMs = await stopped('query', ledger, async () => {
      await delay(3000)
      await ledger!.answersRecent(other.url)
    })
    await expectAll(ledger)
    ledger.report('SIGSTOP of query, 9 s', recoveryMs)
  }, 180_000)

  it('loses and doubles nothing while projectors join and leave under load', async () => {
    ledger = new Ledger(cluster, 'rebalance', { everyMs: 5 })
    let recoveryMs = 0
    for (let round = 0; round < 3; round++) {
      await ledger.more(100)
      await cluster.add('project')
      await ledger.more(50)
      // Whoever is told to end writes what it holds, and is found to have left at once.
      expect(await cluster.end('project', cluster.nodes.project[0], 'SIGTERM')).toBe(0)
      const startMs = Date.now()
      await cluster.projected()
      recoveryMs = Math.max(recoveryMs, Date.now() - startMs)
    }
    await expectAll(ledger)
    ledger.report('3 projectors join, 3 leave', recoveryMs)
  }, 240_000)

  it('reads all again from an old checkpoint', async () => {
    ledger = new Ledger(cluster, 'checkpoint', { everyMs: 2, series: 64 })
    await ledger.more(600)
    await ledger.end()
    // All of them at once, and none has written anything of it.
    await Promise.all([...cluster.nodes.project].map((node) => cluster.end('project', node, 'SIGKILL')))
    await Promise.all([...cluster.nodes.query].map((node) => cluster.end('query', node, 'SIGKILL')))
    const startMs = Date.now()
    await Promise.all([cluster.add('project'), cluster.add('project'), cluster.add('query'), cluster.add('query')])
    await cluster.projected()
    await ledger.expectExactly()
    const recoveryMs = Date.now() - startMs
    await expectAll(ledger)
    ledger.report('all projectors and query processes killed before a flush', recoveryMs)
    // From blocks alone.
    await cluster.end('query', cluster.nodes.query[0], 'SIGKILL')
    await cluster.add('query')
    await ledger.expectStill()
  }, 240_000)
})
