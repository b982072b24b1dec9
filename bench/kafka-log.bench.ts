/**
 * The event log on the Kafka of `npm run engines -- up kafka`: MiB/s and CPU of this process (the broker's apart) to append and to read,
 * by size of record; bytes a sample and CPU by compression, on records that ingest makes of requests of 5,000 samples; and the time from
 * opening a reader to its first record, beside a consumer group of the same client. Run: npm run bench -- kafka-log
 */
import { randomUUID } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { addressesOf, defaultRun } from '../scripts/engines/index.mjs'
import type { RecordToAppend } from '../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../src/domain/position.ts'
import { connectKafka } from '../src/engines/kafka/connection.ts'
import { KafkaEventLog } from '../src/engines/kafka/kafka-event-log.ts'
import { ensureTopics } from '../src/engines/kafka/topics.ts'
import { SystemClock } from '../src/engines/system-clock.ts'
import { Ingest } from '../src/ingest/ingest.ts'
import { silentLogger } from '../src/telemetry/log.ts'
import { TestClock, TestLog, TestRandom } from '../test/ingest/fakes.ts'
import { fleetRequests } from '../test/ingest/fleet.ts'
import { snappyCompress } from '../test/ingest/write-request.ts'
import { kafkaSettings } from '../test/support/kafka-settings.ts'

const MIB = 2 ** 20
const PARTITIONS = 16
const { kafka: brokers } = await addressesOf()
if (brokers === undefined) throw new Error('Kafka is not up: npm run engines -- up kafka')
type Compression = 'none' | 'gzip' | 'zstd'

async function withTopic<T>(compression: Compression, work: (log: KafkaEventLog, name: string) => Promise<T>): Promise<T> {
  const settings = kafkaSettings(brokers as readonly string[], { topicPrefix: `bench-${randomUUID().slice(0, 8)}`, compression })
  await ensureTopics(settings, [{ topic: 'tidemark.log', partitions: PARTITIONS, retentionMs: null }], silentLogger)
  const clock = new SystemClock()
  const common = { settings, topic: 'tidemark.log', generation: 1, clientId: 'bench', clock, logger: silentLogger }
  const log = await KafkaEventLog.open({ ...common, bytesInFlightMax: 2 ** 28 })
  const name = `${settings.topicPrefix}.log`
  try {
    return await work(log, name)
  } finally {
    await log.close()
    const admin = connectKafka(settings, 'bench', silentLogger).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: [name] })
    await admin.disconnect()
  }
}

/** @returns seconds, and CPU seconds of this process */
async function timed(work: () => Promise<void>): Promise<{ seconds: number; cpu: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 }
}

/** Appends all, with so many appends under way. */
async function appendAll(log: KafkaEventLog, appends: readonly (readonly RecordToAppend[])[], underWay: number): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: underWay }, async () => {
      while (next < appends.length) await log.append(appends[next++]!)
    }),
  )
}

async function readAll(log: KafkaEventLog, ends: PartitionOffsets): Promise<void> {
  let left = [...ends.values()].reduce((sum, end) => sum + end, 0)
  for await (const { records } of log.read(new Map([...ends.keys()].map((partition) => [partition, 0])), new AbortController().signal)) {
    left -= records.length
    if (left === 0) return
  }
}

const bytesOnDisk = (name: string) => {
  const data = join(defaultRun(), 'kafka-1', 'data')
  const folders = readdirSync(data).filter((folder) => folder.startsWith(`${name}-`))
  return folders
    .flatMap((folder) =>
      readdirSync(join(data, folder))
        .filter((file) => file.endsWith('.log'))
        .map((file) => join(data, folder, file)),
    )
    .reduce((sum, file) => sum + statSync(file).size, 0)
}

/** Parts of a WriteRequest, so many series each: it is a list of fields. */
function split(request: Uint8Array, series: number): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0, start = 0, count = 0; at < request.length; ) {
    at++
    let length = 0
    for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
      byte = request[at++]!
      length |= (byte & 127) << shift
    }
    at += length
    if (++count < series && at < request.length) continue
    parts.push(request.subarray(start, at))
    start = at
    count = 0
  }
  return parts
}

function noise(bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes)
  for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(payload.subarray(at, Math.min(at + 65_536, bytes)))
  return payload
}

const headers = {
  ce_specversion: '1.0',
  ce_type: 'tidemark.samples.recorded.v1',
  ce_source: 'urn:tidemark:session:000102030405060708090a0b0c0d0e0f',
  ce_id: '000102030405060708090a0b0c0d0e0f-12345',
  'content-type': 'application/vnd.tidemark.samples.v1',
}

console.log('records of noise, no compression, 16 partitions, 16 appends under way')
for (const [size, total] of [
  [2 * 1024, 24 * MIB],
  [64 * 1024, 96 * MIB],
  [256 * 1024, 160 * MIB],
] as const) {
  await withTopic('none', async (log) => {
    const payload = noise(size)
    const perAppend = Math.max(1, Math.min(16, Math.floor((256 * 1024) / size)))
    const appends = Array.from({ length: Math.ceil(total / size / perAppend) }, (_, i) =>
      Array.from({ length: perAppend }, (_, k) => ({ partition: (i * perAppend + k) % PARTITIONS, headers, payload })),
    )
    await appendAll(log, appends.slice(0, 8), 4)
    const written = await timed(() => appendAll(log, appends, 16))
    const ends = await log.ends()
    const read = await timed(() => readAll(log, ends))
    const mib = (appends.length * perAppend * size) / MIB
    const line = ({ seconds, cpu }: { seconds: number; cpu: number }) =>
      `${(mib / seconds).toFixed(0).padStart(4)} MiB/s ${((cpu / mib) * 100).toFixed(2).padStart(5)} CPU s/100 MiB`
    console.log(`${`${size / 1024} KiB`.padStart(8)}  append ${line(written)}   read ${line(read)}`)
  })
}

console.log('\nrecords of ingest: requests of 5,000 samples of 100,000 series, 20 requests a step, declared before')
const clock = new TestClock()
const memory = new TestLog(PARTITIONS)
const ingest = new Ingest({ log: memory, clock, random: new TestRandom() })
const STEPS = 5
const appends: RecordToAppend[][] = []
for (const request of fleetRequests(100_000, STEPS, clock.now)) {
  for (const [i, body] of split(request, 5000).map(snappyCompress).entries()) {
    const before = memory.records.length
    await ingest.writeRemote(body, `sender-${i}`)
    appends.push(memory.records.slice(before).map((record) => ({ ...record, payload: record.payload.slice() })))
  }
}
// The first step declares; the steady state is what counts.
const steady = appends.slice(appends.length / STEPS)
const samples = steady.length * 5000
const payloadBytes = steady.flat().reduce((sum, { payload }) => sum + payload.length, 0)
console.log(
  `${steady[0]!.length} records a request, ${(payloadBytes / steady.flat().length).toFixed(0)} bytes each, ${(payloadBytes / samples).toFixed(2)} bytes a sample of payload`,
)
for (const underWay of [1, 8, 32]) {
  for (const compression of ['none', 'gzip', 'zstd'] as const) {
    await withTopic(compression, async (log, name) => {
      await appendAll(log, steady.slice(0, 20), underWay)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const begun = bytesOnDisk(name)
      const written = await timed(() => appendAll(log, steady, underWay))
      const stored = bytesOnDisk(name) - begun
      const read = await timed(async () => readAll(log, await log.ends()))
      const million = samples / 1e6
      console.log(
        `${String(underWay).padStart(2)} requests under way, ${compression.padEnd(4)}  ${(stored / samples).toFixed(2)} bytes a sample   ` +
          `append ${(written.cpu / million).toFixed(3)} CPU s/M, ${(million / written.seconds).toFixed(2)} M/s   read ${(read.cpu / million).toFixed(3)} CPU s/M`,
      )
    })
  }
}

console.log('\nfrom opening to the first record, 5 times each, median')
await withTopic('none', async (log, name) => {
  await log.append([{ partition: 0, headers, payload: noise(100) }])
  const median = (times: number[]) => times.sort((a, b) => a - b)[2]!.toFixed(0)
  const direct: number[] = []
  const grouped: number[] = []
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    for await (const { records } of log.read(new Map([[0, 0]]), new AbortController().signal)) if (records.length > 0) break
    direct.push(performance.now() - start)
  }
  const client = connectKafka(kafkaSettings(brokers as readonly string[]), 'bench', silentLogger)
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    const consumer = client.consumer({ groupId: `bench-${randomUUID()}`, maxWaitTimeInMs: 200 })
    await consumer.connect()
    await consumer.subscribe({ topic: name, fromBeginning: true })
    await new Promise<void>((resolve, reject) => {
      consumer.run({ eachMessage: async () => resolve() }).catch(reject)
    })
    grouped.push(performance.now() - start)
    await consumer.disconnect()
  }
  console.log(
    `direct ${median(direct)} ms, a group of its own ${median(grouped)} ms (group.initial.rebalance.delay.ms=0; brokers wait 3000 ms by default)`,
  )
})
