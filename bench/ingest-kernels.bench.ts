/**
 * The hot loops of ingest, each alone, on 10,000 series of 8 labels with one sample each. Printed: millions of samples a second of the
 * working thread's CPU time, best of five rounds. Run: node bench/ingest-kernels.bench.ts
 */
import { SamplesColumns } from '../src/domain/events/samples-columns.ts'
import { decodeSamplesRecord } from '../src/domain/events/samples-record.ts'
import { SamplesRecordEncoder } from '../src/domain/events/samples-record-encoder.ts'
import { Ingest } from '../src/ingest/ingest.ts'
import { decodeSnappyElements, SNAPPY_SLACK, snappyHead } from '../src/kernels/snappy.ts'
import { TestClock, TestRandom } from '../test/ingest/fakes.ts'
import { fleetRequests } from '../test/ingest/fleet.ts'
import { snappyCompress } from '../test/ingest/write-request.ts'

const SERIES = 10_000
/** Takes everything and keeps nothing. */
const log = { partitionCount: 4, generation: 1, append: async () => new Map<number, number>() }
const clock = new TestClock()
const plain = fleetRequests(SERIES, 2, clock.now)
const bodies = plain.map(snappyCompress)

function measure(name: string, unit: string, perCall: number, calls: number, run: () => void): void {
  let best = 0
  for (let round = 0; round < 6; round++) {
    const before = process.threadCpuUsage()
    for (let call = 0; call < calls; call++) run()
    const { user, system } = process.threadCpuUsage(before)
    if (round > 0) best = Math.max(best, (perCall * calls) / (user + system))
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(1).padStart(8)} ${unit}`)
}

async function main(): Promise<void> {
  const body = bodies[0]!
  const { length, start } = snappyHead(body)
  const outAt = body.length + SNAPPY_SLACK
  const memory = new Uint8Array(outAt + length + SNAPPY_SLACK)
  memory.set(body)
  const view = new DataView(memory.buffer)
  measure('snappy decode, TypeScript', 'MB/s decoded', length, 50, () =>
    decodeSnappyElements(memory, view, start, body.length, outAt, outAt + length, 0),
  )

  const columns = new SamplesColumns()
  for (let i = 0; i < SERIES; i++) columns.push(i, clock.now, [i / 100, i * 4096 * 1000, i % 5000, i * 123_457][i % 4]!)
  const encoder = new SamplesRecordEncoder()
  const session = new Uint8Array(16)
  let payload: Uint8Array = new Uint8Array()
  measure('record encode', 'M samples/s', SERIES, 200, () => {
    encoder.begin(session)
    payload = encoder.finish(columns)
  })
  const into = new SamplesColumns()
  measure('record decode', 'M samples/s', SERIES, 300, () => decodeSamplesRecord(payload, into))
  console.log(`record bytes a sample ${(payload.length / SERIES).toFixed(2)}`)

  for (const kernel of ['typescript', 'wasm'] as const) {
    const ingest = new Ingest({ log, clock, random: new TestRandom(), kernel })
    for (const one of bodies) await ingest.writeRemote(one, 'bench')
    let turn = 0
    measure(`snappy, walk, encode: writeRemote, ${kernel}`, 'M samples/s', SERIES, 50, () => {
      void ingest.writeRemote(bodies[turn++ % bodies.length]!, 'bench')
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
  const before = process.threadCpuUsage()
  const first = new Ingest({ log, clock, random: new TestRandom() })
  await first.writeRemote(body, 'bench')
  const { user, system } = process.threadCpuUsage(before)
  console.log(`${'first sight of 10,000 series'.padEnd(44)} ${((user + system) / SERIES).toFixed(1).padStart(8)} us a series`)
}

await main()
