/** Owns partitions in a process of its own and says what it owns, and how long after it could run again, a JSON line each. */
import { Kafka, logLevel } from 'kafkajs'
import { KafkaOwnership } from '../../../src/engines/kafka/ownership.ts'
import { SystemClock } from '../../../src/engines/system-clock.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'

const [broker, topic, groupId, sessionTimeoutMs] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'child', brokers: [broker], logLevel: logLevel.NOTHING })
const ownership = new KafkaOwnership({
  kafka,
  topic,
  groupId,
  sessionTimeoutMs: Number(sessionTimeoutMs),
  clock: new SystemClock(),
  logger: silentLogger,
})

// When this process is stopped, the first beat after it tells when it woke.
let beatMs = performance.now()
let wokeMs = beatMs
setInterval(() => {
  const now = performance.now()
  if (now - beatMs > 1000) wokeMs = now
  beatMs = now
}, 5)

for await (const owned of ownership.owned(new AbortController().signal)) {
  const now = performance.now()
  if (now - beatMs > 1000) wokeMs = now
  process.stdout.write(`${JSON.stringify({ owned, sinceWakingMs: now - wokeMs })}\n`)
}
