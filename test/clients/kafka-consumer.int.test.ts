import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import type { KafkaEventLog } from '../../src/engines/kafka/kafka-event-log.ts'
import { SystemClock } from '../../src/engines/system-clock.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import { TestTopic } from '../engines/kafka/support/topic.ts'
import { TestRandom } from '../ingest/fakes.ts'
import { metadataField, seriesField, snappyCompress } from '../ingest/write-request.ts'
import { describeWithEngines } from '../support/engines.ts'
import { describeIf } from '../support/requirements.ts'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('./foreign/read_samples.py', import.meta.url))

interface Read {
  readonly partitions: number
  readonly records: number
  readonly others: number
  readonly ids: readonly string[]
  readonly metadata: readonly { metric: string; type: string; help: string; unit: string }[]
  readonly samples: readonly [Record<string, string>, number, string][]
  readonly problems: readonly string[]
}

/** What a stranger needs to know of a sample, in one order. */
const sorted = (samples: Read['samples']) =>
  samples.map(([labels, time, bits]) => `${JSON.stringify(Object.entries(labels).sort())} ${time} ${bits}`).sort()

const bitsOf = (value: number | bigint): string => {
  const view = new DataView(new ArrayBuffer(8))
  if (typeof value === 'bigint') view.setBigUint64(0, value)
  else view.setFloat64(0, value)
  return view.getBigUint64(0).toString(16).padStart(16, '0')
}

describeIf('python-kafka', 'a consumer that shares no code with Tidemark', 'a stranger’s consumer', (python) => {
  describeWithEngines(['kafka'], 'it reads from a real broker', 'of tidemark.samples', (addresses) => {
    describe.each(['none', 'gzip', 'zstd'] as const)('compressed with %s', (compression) => {
      let topic: TestTopic
      let log: KafkaEventLog
      let read: Read
      const written: [Record<string, string>, number, string][] = []
      let first = 0

      beforeAll(async () => {
        topic = await TestTopic.make(addresses.kafka, 5, { compression })
        log = await topic.open()
        const clock = new SystemClock()
        const ingest = new Ingest({ log, clock, random: new TestRandom(), knownSeriesMax: 1000, knownBytesMax: 2 ** 22 })
        const now = clock.nowMs()
        const values = [0, -0, 1, -1.5, 0.1, 1e300, 5e-324, 123456.789, 2 ** 53, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
        const bits = [...values.map(bitsOf), '7ff0000000000002', '7ff8000000000000', 'fff8000000000123']
        for (let round = 0; round < 3; round++) {
          const series = Array.from({ length: 60 }, (_, i) => {
            const labels = { __name__: `metric_${i % 7}`, instance: `host-${i}`, zone: i % 2 ? 'Zürich 🌊' : 'b' }
            const samples = Array.from({ length: 1 + (i % 3) }, (_, k) => {
              const time = now - 60_000 + round * 10_000 + k * 1000 + (i % 5)
              const own = bits[(i + k + round) % bits.length]
              written.push([labels, time, own])
              return { time, bits: [Number.parseInt(own.slice(8), 16), Number.parseInt(own.slice(0, 8), 16)] as const }
            })
            return seriesField({ labels: Object.entries(labels), samples })
          })
          const request = Uint8Array.from([...series.flat(), ...metadataField(1, 'metric_1', 'How many: ä.', 'seconds')])
          const result = await ingest.writeRemote(snappyCompress(request), 'test')
          expect(result.rejectedSamples).toBe(0)
        }
        first = (await log.ends()).get(0) ?? 0
        await log.append([{ partition: 0, headers: { ce_type: 'somebody.else.v1' }, payload: Buffer.from('not ours') }])
        const { stdout } = await run(python, [SCRIPT, addresses.kafka.join(), topic.name], { maxBuffer: 2 ** 26 })
        read = JSON.parse(stdout)
      }, 60_000)

      afterAll(() => topic.remove())

      it('finds every sample, bit for bit, with its labels', () => {
        expect(written.length).toBeGreaterThan(300)
        expect(sorted(read.samples)).toEqual(sorted(written))
      })

      it('can check identities, partitions and headers', () => {
        expect(read.problems).toEqual([])
        expect(read.partitions).toBe(5)
        expect(read.records).toBeGreaterThanOrEqual(15)
        expect(new Set(read.ids).size).toBe(read.records)
      })

      it('learns what metrics are', () => {
        expect(read.metadata).toContainEqual({ metric: 'metric_1', type: 'counter', help: 'How many: ä.', unit: 'seconds' })
      })

      it('passes by what is not of its type, without reading it', () => {
        expect(read.others).toBe(1)
        expect(first).toBeGreaterThan(0)
      })
    })
  })
})
