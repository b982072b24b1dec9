import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { type KafkaHandle, startKafka } from '../../../scripts/engines/index.mjs'
import { KafkaEventLog } from '../../../src/engines/kafka/kafka-event-log.ts'
import type { KafkaSettings } from '../../../src/engines/kafka/settings.ts'
import { checkTopics } from '../../../src/engines/kafka/topics.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { describeWithEngines } from '../../support/engines.ts'
import { kafkaSettings } from '../../support/kafka-settings.ts'
import { Tail, TestTopic } from './support/topic.ts'

const START_MS = 180_000

describeWithEngines(['kafka'], 'a broker that asks for passwords and speaks TLS', 'Kafka with TLS and passwords', () => {
  let folder: string
  let kafka: KafkaHandle
  let topic: TestTopic

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidemark-kafka-'))
    kafka = await startKafka({ run: folder, sasl: true, tls: true, heap: '256m' })
    topic = await TestTopic.make(kafka.addresses, 2)
  }, START_MS)

  afterAll(async () => {
    await topic?.remove()
    await kafka?.stop()
    await rm(folder, { recursive: true, force: true })
  }, START_MS)

  const settings = (brokers: readonly string[], changes: Partial<KafkaSettings>): KafkaSettings =>
    kafkaSettings(brokers, { topicPrefix: topic.settings.topicPrefix, ...changes })

  const open = (of: KafkaSettings) =>
    KafkaEventLog.open({
      settings: of,
      topic: 'tidemark.log',
      generation: 1,
      clientId: 'test',
      clock: new SystemClock(),
      logger: silentLogger,
      bytesInFlightMax: 2 ** 20,
    })

  describe.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('by %s', (mechanism) => {
    it('writes and reads over TLS', async () => {
      const log = await open(settings(kafka.saslTlsAddresses, { tls: { ca: kafka.ca }, sasl: { mechanism, ...kafka.user } }))
      const from = await log.ends()
      const tail = new Tail(log, from)
      await tail.reaches(await log.append([{ partition: 1, headers: {}, payload: Buffer.from(mechanism) }]))
      await tail.end()
      await log.close()
      expect(tail.texts.get(1)).toEqual([mechanism])
    })

    it('says that the password is wrong, and not which it was', async () => {
      const sasl = { mechanism, username: kafka.user.username, password: 'not-the-password' }
      const error = await open(settings(kafka.saslAddresses, { sasl })).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ name: 'EngineError', code: 'KAFKA_AUTH', retryable: false })
      const { message } = error as Error
      expect(message).toContain('check engines.kafka.sasl')
      expect(message).toContain(kafka.saslAddresses[0])
      expect(message).not.toContain('not-the-password')
    })
  })

  it('writes and reads over TLS without a password, also makes and checks topics', async () => {
    const of = settings(kafka.tlsAddresses, { tls: { ca: kafka.ca } })
    const log = await open(of)
    await log.append([{ partition: 0, headers: {}, payload: Buffer.from('x') }])
    await log.close()
    expect(await checkTopics(of, [{ topic: 'tidemark.log', partitions: 2, retentionMs: null }], silentLogger)).toEqual([])
  })

  it('says that a certificate is not trusted', async () => {
    await expect(open(settings(kafka.tlsAddresses, { tls: {} }))).rejects.toMatchObject({
      code: 'KAFKA_TLS',
      retryable: false,
      message: expect.stringContaining('check engines.kafka.tls'),
    })
  })

  it.each([
    ['TLS to a listener without', () => settings(kafka.addresses, { tls: { ca: kafka.ca } })],
    ['no TLS to a listener with it', () => settings(kafka.tlsAddresses, {})],
    ['no password where one is wanted', () => settings(kafka.saslAddresses, {})],
  ])(
    'comes back with an error that names the settings: %s',
    async (_, of) => {
      const startMs = performance.now()
      await expect(open(of())).rejects.toMatchObject({ name: 'EngineError', message: expect.stringContaining('engines.kafka') })
      expect(performance.now() - startMs).toBeLessThan(30_000)
    },
    60_000,
  )
})
