import { randomUUID } from 'node:crypto'
import { connectKafka } from '../../src/engines/kafka/connection.ts'
import { KafkaEventLog } from '../../src/engines/kafka/kafka-event-log.ts'
import type { KafkaSettings } from '../../src/engines/kafka/settings.ts'
import { ensureTopics } from '../../src/engines/kafka/topics.ts'
import { SystemClock } from '../../src/engines/system-clock.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { describeWithEngines } from '../support/engines.ts'
import { kafkaSettings } from '../support/kafka-settings.ts'
import { eventLogContract } from './event-log.ts'

describeWithEngines(['kafka'], 'the port must hold on a real broker', 'on a real broker', (addresses) => {
  eventLogContract('Kafka', async () => {
    const settings: KafkaSettings = kafkaSettings(addresses.kafka, { topicPrefix: `test-${randomUUID().slice(0, 8)}` })
    const topic = 'tidemark.log'
    await ensureTopics(settings, [{ topic, partitions: 4, retentionMs: null }], silentLogger)
    return {
      open: () =>
        KafkaEventLog.open({
          settings,
          topic,
          generation: 1,
          clientId: 'test',
          clock: new SystemClock(),
          logger: silentLogger,
          bytesInFlightMax: 2 ** 26,
        }),
      trimsAfterRecords: 40,
      dispose: async () => {
        const admin = connectKafka(settings, 'test', silentLogger).admin()
        await admin.connect()
        await admin.deleteTopics({ topics: [`${settings.topicPrefix}.log`] })
        await admin.disconnect()
      },
    }
  })
})
