import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import type { Admin } from 'kafkajs'
import { connectKafka } from '../../../src/engines/kafka/connection.ts'
import { KafkaEventLog } from '../../../src/engines/kafka/kafka-event-log.ts'
import type { KafkaSettings } from '../../../src/engines/kafka/settings.ts'
import { checkTopics, ensureTopics, type TopicSpec } from '../../../src/engines/kafka/topics.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { kafkaSettings } from '../../support/kafka-settings.ts'

const DAY_MS = 86_400_000

describeWithEngines(['kafka'], 'topics are made on a real broker', 'topics on Kafka', (addresses) => {
  let settings: KafkaSettings
  let admin: Admin
  const wanted: readonly TopicSpec[] = [
    { topic: 'tidemark.samples', partitions: 4, retentionMs: 7 * DAY_MS },
    { topic: 'tidemark.operations', partitions: 1, retentionMs: null },
  ]

  beforeEach(async () => {
    settings = kafkaSettings(addresses.kafka, { topicPrefix: `test-${randomUUID().slice(0, 8)}`, replication: 1 })
    admin = connectKafka(settings, 'test', silentLogger).admin()
    await admin.connect()
  })

  afterEach(async () => {
    const own = (await admin.listTopics()).filter((name) => name.startsWith(`${settings.topicPrefix}.`))
    if (own.length > 0) await admin.deleteTopics({ topics: own })
    await admin.disconnect()
  })

  const check = (specs = wanted, changes: Partial<KafkaSettings> = {}) => checkTopics({ ...settings, ...changes }, specs, silentLogger)
  const make = async (configuration: Readonly<Record<string, string>>, numPartitions = 4) => {
    await admin.createTopics({
      waitForLeaders: false,
      topics: [
        {
          topic: `${settings.topicPrefix}.samples`,
          numPartitions,
          replicationFactor: 1,
          configEntries: Object.entries(configuration).map(([name, value]) => ({ name, value })),
        },
      ],
    })
    const topics = [`${settings.topicPrefix}.samples`]
    for (let tries = 0; ; tries++) {
      const known = await admin.fetchTopicMetadata({ topics }).catch(() => null)
      if (known !== null) return
      if (tries > 100) throw new Error('the broker does not know the new topic')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const sound = { 'message.timestamp.type': 'LogAppendTime', 'max.message.bytes': '2097152', 'retention.ms': `${7 * DAY_MS}` }

  it('are made as they are wanted, and left alone when they are there', async () => {
    await ensureTopics(settings, wanted, silentLogger)
    expect(await check()).toEqual([])
    await ensureTopics(settings, wanted, silentLogger)
    expect((await admin.fetchTopicOffsets(`${settings.topicPrefix}.samples`)).length).toBe(4)
    // Of an operator's own taste, and harmless.
    expect(await check([{ ...wanted[0], retentionMs: DAY_MS }])).toEqual([])
  })

  it('may be made by two at once', async () => {
    await Promise.all([1, 2, 3].map(() => ensureTopics(settings, wanted, silentLogger)))
    expect(await check()).toEqual([])
  })

  it('that are missing are named, with the command that makes them', async () => {
    const problems = await check()
    expect(problems).toHaveLength(2)
    expect(problems[0]).toContain(`${settings.topicPrefix}.samples`)
    expect(problems[0]).toContain('tidemark migrate')
    await expect(
      KafkaEventLog.open({
        settings,
        topic: 'tidemark.samples',
        generation: 1,
        clientId: 'test',
        clock: new SystemClock(),
        logger: silentLogger,
        bytesInFlightMax: 1,
      }),
    ).rejects.toMatchObject({ code: 'KAFKA_TOPIC_MISSING', retryable: false, message: expect.stringContaining('tidemark migrate') })
  })

  it('that were made with other settings: each problem says what was met, what was expected, and how it is mended', async () => {
    await make({ 'retention.ms': '3600000', 'cleanup.policy': 'compact', 'max.message.bytes': '1000000' }, 3)
    const problems = await check([wanted[0]])
    expect(problems.map((text) => text.replace(`topic ${settings.topicPrefix}.samples `, '').split(': ')[0])).toEqual([
      'has 3 partitions, expected 4',
      'has message.timestamp.type CreateTime, expected LogAppendTime',
      'has cleanup.policy compact, expected delete',
      'takes batches of 1000000 bytes, expected at least 1835008',
      'keeps records for 3600000 ms, expected 604800000',
    ])
    for (const problem of problems.slice(1)) {
      expect(problem).toContain(`kafka-configs.sh --alter --topic ${settings.topicPrefix}.samples --add-config`)
    }
  })

  it('that could not be written, or that have too few copies, are named', async () => {
    await make({ ...sound, 'min.insync.replicas': '2' })
    expect(await check([wanted[0]])).toEqual([expect.stringContaining('wants 2 copies in sync and has 1: nothing can be written')])
    expect((await check([wanted[0]], { replication: 3 }))[0]).toContain('has 1 copy of a partition, expected 3')
  })

  it('that an operator made well are fine', async () => {
    await make({ ...sound, 'retention.ms': '-1', 'compression.type': 'zstd' })
    expect(await check([wanted[0]])).toEqual([])
  })
})
