import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { BATCH_BYTES_MAX } from '../../../src/engines/kafka/appender.ts'
import { connectKafka } from '../../../src/engines/kafka/connection.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { registry } from '../../../src/telemetry/metrics.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { Tail, TestTopic } from './support/topic.ts'

const MIB = 2 ** 20

describeWithEngines(['kafka'], 'the log stands on a real broker', 'the log on Kafka', (addresses) => {
  let topic: TestTopic

  beforeEach(async () => {
    topic = await TestTopic.make(addresses.kafka, 2)
  })

  afterEach(() => topic.remove())

  it('stamps records with the broker’s time', async () => {
    const log = await topic.open()
    const beforeMs = Date.now()
    await log.append([{ partition: 0, headers: {}, payload: Buffer.from('x') }])
    for await (const { records } of log.read(new Map([[0, 0]]), new AbortController().signal)) {
      if (records.length === 0) continue
      expect(Math.abs(records[0].appendedMs - beforeMs)).toBeLessThan(5000)
      break
    }
  })

  it.each(['none', 'gzip', 'zstd'] as const)('reads what is written with compression %s, whoever reads', async (compression) => {
    const log = await topic.open({ settings: { ...topic.settings, compression } })
    const text = 'compressible '.repeat(5000)
    const ends = await log.append([0, 1, 0].map((partition) => ({ partition, headers: { a: 'b' }, payload: Buffer.from(text) })))
    const reader = new Tail(await topic.open(), await log.starts())
    await reader.reaches(ends)
    await reader.end()
    expect(reader.texts.get(0)).toEqual([text, text])
  })

  it('takes the largest record there may be, and more than a send in one append', async () => {
    const log = await topic.open({ settings: { ...topic.settings, compression: 'none' } })
    const largest = Buffer.alloc(BATCH_BYTES_MAX - 512, 7)
    expect(await log.append([{ partition: 0, headers: {}, payload: largest }])).toEqual(new Map([[0, 1]]))
    const many = Array.from({ length: 40 }, (_, i) => ({ partition: i % 2, headers: {}, payload: Buffer.alloc(MIB, i) }))
    expect(await log.append(many)).toEqual(
      new Map([
        [0, 21],
        [1, 20],
      ]),
    )
    const tail = new Tail(log, await log.starts())
    await tail.reaches(await log.ends())
    await tail.end()
  })

  it('reads ahead of a slow consumer no more than its bound', async () => {
    const log = await topic.open({ settings: { ...topic.settings, compression: 'none' } })
    for (let i = 0; i < 64; i++) await log.append([0, 1].map((partition) => ({ partition, headers: {}, payload: Buffer.alloc(MIB, i) })))
    const fetched = async () => {
      const metric = await registry.getSingleMetric('tidemark_kafka_fetched_bytes_total')?.get()
      return metric?.values.find(({ labels }) => labels.topic === topic.name)?.value ?? 0
    }
    let bytes = 0
    for await (const { records } of log.read(await log.starts(), new AbortController().signal)) {
      if (bytes === 0 && records.length > 0) {
        await sleep(1000)
        expect(await fetched()).toBeLessThanOrEqual(44 * MIB)
      }
      for (const { payload } of records) bytes += payload.length
      if (bytes === 128 * MIB) break
    }
    expect(await fetched()).toBe(128 * MIB)
  })

  it('serves two reads at once, and ends all when it is closed', async () => {
    const log = await topic.open()
    const tails = [new Tail(log, await log.starts()), new Tail(log, await log.starts())]
    await tails[0].reaches(await log.append([{ partition: 0, headers: {}, payload: Buffer.from('a') }]))
    await tails[0].end()
    await tails[1].reaches(await log.append([{ partition: 1, headers: {}, payload: Buffer.from('b') }]))
    await log.close()
    await tails[1].end()
    expect([...tails[1].texts]).toEqual([
      [0, ['a']],
      [1, ['b']],
    ])
  })

  it('says where partitions end, also when nothing comes', async () => {
    const log = await topic.open()
    const beginMs = performance.now()
    let heard = 0
    for await (const { ends } of log.read(await log.ends(), new AbortController().signal)) {
      expect(ends).toEqual(
        new Map([
          [0, 0],
          [1, 0],
        ]),
      )
      if (++heard === 4) break
    }
    expect(performance.now() - beginMs).toBeLessThan(4000)
  })

  it('finds what somebody else let go of while it read, and reads on behind it', async () => {
    const log = await topic.open()
    for (let i = 0; i < 20; i++) await log.append([{ partition: 0, headers: {}, payload: Buffer.from(`${i}`) }])
    const admin = connectKafka(topic.settings, 'test', silentLogger).admin()
    await admin.connect()
    await admin.fetchTopicOffsets(topic.name)
    await admin.deleteTopicRecords({ topic: topic.name, partitions: [{ partition: 0, offset: '15' }] })
    await admin.disconnect()
    const tail = new Tail(
      log,
      new Map([
        [0, 3],
        [1, 0],
      ]),
    )
    await tail.reaches(await log.append([{ partition: 1, headers: {}, payload: Buffer.from('other') }]))
    await tail.reaches(new Map([[0, 20]]))
    await tail.end()
    expect(tail.gaps).toEqual([{ partition: 0, from: 3, to: 15 }])
    expect(tail.texts.get(0)).toEqual(['15', '16', '17', '18', '19'])
  })

  it('refuses what is more than may be in flight', async () => {
    const log = await topic.open({ bytesInFlightMax: MIB })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 4 }, () => log.append([{ partition: 0, headers: {}, payload: Buffer.alloc(600_000) }])),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(outcomes[3]).toMatchObject({ status: 'rejected', reason: { code: 'LOG_BUSY', retryable: true } })
  })
})
