import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { type CassandraHandle, startCassandra } from '../../../scripts/engines/index.mjs'
import { ClusterProcesses, labelledValues, metricsOf } from '../../support/cluster-process.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { Ledger } from './ledger.ts'

const START_MS = 300_000
const DOWN_MS = process.env.TIDEMARK_FAULTS_LONG === '1' ? 120_000 : 60_000

describeWithEngines(
  ['kafka', 'cassandra'],
  'a Cassandra is killed that it starts itself',
  'a cluster whose Cassandra is down',
  (addresses) => {
    let folder: string
    let cassandra: CassandraHandle
    let cluster: ClusterProcesses
    let ledger: Ledger | null = null

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tidemark-store-'))
      cassandra = await startCassandra({ run: folder, durable: true, heap: '512m' })
      cluster = await ClusterProcesses.start({ kafka: addresses.kafka, cassandra: cassandra.address }, { ingest: 2, project: 2, query: 2 })
      await cluster.projected()
    }, START_MS)

    afterEach(() => ledger?.end())

    afterAll(async () => {
      await cluster?.remove()
      await cassandra?.stop()
      await rm(folder, { recursive: true, force: true })
    }, START_MS)

    const heldBy = async (url: string) => labelledValues(await metricsOf(url), 'tidemark_projection_lag_records').length

    it('takes samples all the time, answers recent ones, and catches up when it is back', async () => {
      ledger = new Ledger(cluster, 'store-down', { everyMs: 50 })
      await ledger.more(100)
      await cassandra.kill()
      const downMs = Date.now()
      // A flush fails meanwhile, and a projector's partitions go to the other one, which can't read their checkpoints.
      const sealing = fetch(`${cluster.urls('project')[0]}/-/seal`, { method: 'POST' }).catch(() => null)
      await delay(2000)
      await cluster.end('project', cluster.nodes.project[1], 'SIGKILL')
      let asked = 0
      let slowestMs = 0
      while (Date.now() - downMs < DOWN_MS) {
        for (const url of cluster.urls('query')) slowestMs = Math.max(slowestMs, await ledger.answersRecent(url, 10_000))
        asked++
        await delay(1000)
      }
      expect(asked).toBeGreaterThan(DOWN_MS / 6000)
      // Nothing of it reaches a sender: that is what the log is for.
      expect([ledger.failures, ledger.answers]).toEqual([0, { 200: expect.any(Number) }])
      // The partitions of the one that was killed have nobody who can read their checkpoints.
      expect(await heldBy(cluster.urls('project')[0])).toBeLessThan(cluster.partitions)
      await cassandra.restart()
      const backMs = Date.now()
      let isOver = false
      const caughtUp = cluster.projected(120_000).finally(() => {
        isOver = true
      })
      // Queries answer while the projectors catch up.
      while (!isOver) {
        for (const url of cluster.urls('query')) slowestMs = Math.max(slowestMs, await ledger.answersRecent(url, 20_000))
        await delay(200)
      }
      await caughtUp
      const recoveryMs = Date.now() - backMs
      await sealing
      await cluster.add('project')
      await cluster.projected()
      await ledger.more(50)
      expect(ledger.failures).toBe(0)
      await ledger.end()
      await ledger.expectExactly()
      expect(await cluster.seal()).toBeGreaterThan(0)
      await ledger.expectStill()
      for (const url of cluster.urls('query')) {
        const lag = labelledValues(await metricsOf(url), 'tidemark_head_lag_records')
        expect(lag).toHaveLength(cluster.partitions)
        expect(lag.every(([, records]) => records === 0)).toBe(true)
      }
      ledger.report(`Cassandra down for ${DOWN_MS / 1000} s (slowest answer ${slowestMs} ms)`, recoveryMs)
    }, 420_000)
  },
)
