import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals'
import { Kafka, logLevel } from 'kafkajs'
import { type KafkaHandle, startKafka } from '../../../scripts/engines/index.mjs'
import { ClusterProcesses } from '../../support/cluster-process.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { Ledger } from './ledger.ts'

const START_MS = 300_000

describeWithEngines(['kafka', 'cassandra'], 'brokers are killed that it starts itself', 'a cluster whose brokers go away', (addresses) => {
  for (const brokers of [1, 3]) {
    describe(brokers === 1 ? 'one broker' : 'three brokers, every record on two at least', () => {
      let folder: string
      let kafka: KafkaHandle
      let cluster: ClusterProcesses
      let ledger: Ledger | null = null

      beforeAll(async () => {
        folder = await mkdtemp(join(tmpdir(), 'tidemark-brokers-'))
        kafka = await startKafka({ run: folder, brokers, heap: '256m' })
        cluster = await ClusterProcesses.start(
          { kafka: kafka.addresses, cassandra: addresses.cassandra },
          { ingest: 2, project: 2, query: 2 },
        )
        await cluster.projected()
      }, START_MS)

      afterEach(() => ledger?.end())

      afterAll(async () => {
        await cluster?.remove()
        await kafka?.stop()
        await rm(folder, { recursive: true, force: true })
      }, START_MS)

      const expectAll = async (sent: Ledger) => {
        await sent.end()
        await sent.expectExactly()
        expect(await cluster.seal()).toBeGreaterThan(0)
        await sent.expectStill()
      }

      const recovered = async (sent: Ledger) => {
        const startMs = Date.now()
        await Promise.all(cluster.urls('ingest').map((url) => sent.takes(url)))
        await Promise.all(cluster.urls('query').map((url) => sent.answersRecent(url)))
        await cluster.projected()
        return Date.now() - startMs
      }

      if (brokers === 1) {
        it('loses and doubles nothing when it is killed and started again', async () => {
          ledger = new Ledger(cluster, 'broker-killed')
          await ledger.more(150)
          await kafka.kill(0)
          await kafka.restart(0)
          const recoveryMs = await recovered(ledger)
          expect(ledger.failures).toBeGreaterThan(0)
          await ledger.more(100)
          await expectAll(ledger)
          ledger.report('kill -9 of the only broker, and its return', recoveryMs)
        }, 240_000)

        it('loses and doubles nothing when it is stopped in order and started again', async () => {
          ledger = new Ledger(cluster, 'broker-restarted')
          await ledger.more(150)
          await kafka.restart(0)
          const recoveryMs = await recovered(ledger)
          await ledger.more(100)
          await expectAll(ledger)
          ledger.report('restart of the only broker', recoveryMs)
        }, 240_000)
        return
      }

      it('goes on taking samples when a leader is killed, and when it is back', async () => {
        const topic = await describeTopic(kafka.addresses, `${cluster.name}.samples`)
        expect(topic).toEqual({ replicas: 3, minInSync: 2 })
        ledger = new Ledger(cluster, 'leader-killed')
        await ledger.more(150)
        await kafka.kill(0)
        // With two of three everything goes on.
        const recoveryMs = await recovered(ledger)
        await ledger.more(200)
        await kafka.restart(0)
        await recovered(ledger)
        await ledger.more(200)
        await expectAll(ledger)
        ledger.report('kill -9 of a leader of three brokers, and its return', recoveryMs)
      }, 240_000)
    })
  }
})

async function describeTopic(brokers: readonly string[], topic: string): Promise<{ replicas: number; minInSync: number }> {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: topic }] })
    const minInSync = resources[0].configEntries.find(({ configName }) => configName === 'min.insync.replicas')?.configValue
    return { replicas: topics[0].partitions[0].replicas.length, minInSync: Number(minInSync) }
  } finally {
    await admin.disconnect()
  }
}
