import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals'
import { SAMPLES_TOPIC } from '../../../src/domain/events/topics.ts'
import { CassandraBlockStore } from '../../../src/engines/cassandra/cassandra-block-store.ts'
import { KafkaEventLog } from '../../../src/engines/kafka/kafka-event-log.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { decodeCheckpoint, type Gap, readCheckpoints } from '../../../src/projections/series/checkpoints.ts'
import { SERIES_VERSION } from '../../../src/projections/series/series-fold.ts'
import { createLogger } from '../../../src/telemetry/log.ts'
import { cassandraSettings } from '../../support/cassandra-settings.ts'
import { ClusterProcesses, eventually } from '../../support/cluster-process.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { kafkaSettings } from '../../support/kafka-settings.ts'
import { Ledger } from './ledger.ts'

describeWithEngines(['kafka', 'cassandra'], 'a log forgets what was not projected', 'positions that retention has taken', (addresses) => {
  const clock = new SystemClock()
  const logger = createLogger('silent')
  let cluster: ClusterProcesses
  let ledger: Ledger | null = null

  beforeAll(async () => {
    const options = { kafka: addresses.kafka, cassandra: addresses.cassandra }
    cluster = await ClusterProcesses.start(options, { ingest: 1, project: 2, query: 2 })
    await cluster.projected()
  }, 240_000)

  afterEach(() => ledger?.end())

  afterAll(() => cluster?.remove(), 60_000)

  const openLog = () =>
    KafkaEventLog.open({
      settings: kafkaSettings(addresses.kafka, { topicPrefix: cluster.name }),
      topic: SAMPLES_TOPIC,
      generation: 1,
      clientId: 'tidemark-test',
      clock,
      logger,
      bytesInFlightMax: 2 ** 20,
    })

  const gapsStored = async (): Promise<ReadonlyMap<number, readonly Gap[]>> => {
    const settings = cassandraSettings(addresses.cassandra, { keyspace: cluster.name })
    const store = await CassandraBlockStore.open({ settings, rawRetentionMs: 86_400_000, clock, logger })
    try {
      const rows = await readCheckpoints(store, SERIES_VERSION)
      return new Map([...rows].map(([partition, bytes]) => [partition, decodeCheckpoint(bytes, partition).gaps]))
    } finally {
      await store.close()
    }
  }

  it('are noticed, stored and told of with every answer over their time, and nothing else is missing', async () => {
    ledger = new Ledger(cluster, 'retention')
    await ledger.more(150)
    await ledger.pause()
    await ledger.expectExactly()
    // A part stands in blocks, with checkpoints; from here on nobody projects and nobody answers.
    expect(await cluster.seal()).toBeGreaterThan(0)
    await Promise.all([...cluster.nodes.project].map((node) => cluster.end('project', node, 'SIGKILL')))
    await Promise.all([...cluster.nodes.query].map((node) => cluster.end('query', node, 'SIGKILL')))

    const log = await openLog()
    const checkpoints = await log.ends()
    await delay(50)
    const lostFromMs = Date.now()
    ledger.resume()
    await ledger.more(100)
    await ledger.pause()
    const lostToMs = Date.now()
    const ends = await log.ends()
    await log.trim(ends)
    await log.close()
    const trimmed = [...ends].filter(([partition, end]) => end > (checkpoints.get(partition) ?? 0))
    expect(trimmed.length).toBeGreaterThan(0)
    ledger.resume()
    await ledger.more(100)
    await ledger.end()

    const startMs = Date.now()
    await Promise.all([cluster.add('project'), cluster.add('project'), cluster.add('query'), cluster.add('query')])
    await cluster.projected()
    const lost = ledger.forget(lostFromMs, lostToMs)
    expect(lost).toBeGreaterThan(0)
    const tell = () => Promise.all(cluster.urls('query').map((url) => ledger!.warnings(url)))
    const warning = /records of partition \d+ of the log were lost between/
    // With the first answer, before any projector has stored it.
    await ledger.expectExactly({ warning })
    for (const warnings of await tell()) expect(new Set(warnings).size).toBe(trimmed.length)
    const recoveryMs = Date.now() - startMs
    await eventually(
      async () => {
        const stored = await gapsStored()
        const missing = trimmed.filter(
          ([partition, to]) => !stored.get(partition)?.some((gap) => gap.from === checkpoints.get(partition) && gap.to === to),
        )
        return missing.length === 0 ? null : `gaps of partitions ${missing.map(([partition]) => partition).join()}`
      },
      10_000,
      'not all gaps are stored',
    )
    const output = cluster.nodes.project.map((node) => node.output).join('')
    expect(output).toContain('records were let go of by the log before they were applied')
    expect(await cluster.seal()).toBeGreaterThan(0)
    await ledger.expectStill({ warning })
    await cluster.end('query', cluster.nodes.query[0], 'SIGKILL')
    await cluster.add('query')
    // One that begins anew tells at once.
    await ledger.expectExactly({ warning })
    for (const warnings of await tell()) expect(new Set(warnings).size).toBe(trimmed.length)
    ledger.report('records lost to retention before they were projected', recoveryMs)
  }, 240_000)
})
