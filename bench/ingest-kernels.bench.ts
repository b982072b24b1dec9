/**
 * The hot loops of ingest, each alone, on 10,000 series of 8 labels with one sample each. Printed: millions of samples (or MB) a second of
 * the working thread's CPU time, best of five rounds. Run: node bench/ingest-kernels.bench.ts
 */
import { SamplesColumns } from '../src/domain/events/samples-columns.ts'
import { decodeSamplesRecord } from '../src/domain/events/samples-record.ts'
import { SamplesRecordEncoder } from '../src/domain/events/samples-record-encoder.ts'
import { limits } from '../src/domain/limits.ts'
import { Ingest } from '../src/ingest/ingest.ts'
import { RemoteWriteDecoder } from '../src/ingest/remote-write.ts'
import { SamplesSession } from '../src/ingest/samples-session.ts'
import { TimeBounds } from '../src/ingest/time-bounds.ts'
import { WriteTally } from '../src/ingest/write-tally.ts'
import { typescriptKernel, wasmKernel } from '../src/kernels/remote-write-kernel.ts'
import { snappyHead } from '../src/kernels/snappy.ts'
import { WORD } from '../src/kernels/write-memory.ts'
import { TestClock, TestRandom } from '../test/ingest/fakes.ts'
import { fleetRequests } from '../test/ingest/fleet.ts'
import { snappyCompress } from '../test/ingest/write-request.ts'

const SERIES = 10_000
/** Takes everything and keeps nothing. */
const log = { partitionCount: 4, generation: 1, append: async () => new Map<number, number>() }
const clock = new TestClock()
const bodies = fleetRequests(SERIES, 2, clock.now).map(snappyCompress)
const body = bodies[0]

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

function measureKernels(): void {
  const memory = {
    ...{ partitions: 4, inputBytesMax: limits.bodyBytesMax, plainBytesMax: limits.decompressedBytesMax, entriesMax: 100_000 },
    ...{ blockBytesMax: 2 ** 26, columnCapacity: 65_536, dueCapacity: 32_768, dueBytesMax: 2 ** 19 },
  }
  const session = new SamplesSession({ random: new TestRandom(), redeclareMs: 3_600_000, seriesPerSenderMax: 100_000, memory })
  session.begin()
  session.beginRequest(0)
  new RemoteWriteDecoder(session, limits, 'typescript').decode(body, new TimeBounds(clock.now, limits), new WriteTally('bench'))
  session.acknowledge(session.finish())
  const { bytes, inputAt, plainAt, words } = session.memory
  const { length, start } = snappyHead(body)
  bytes.set(body, inputAt)
  for (const [name, twin] of [['TypeScript', typescriptKernel] as const, ['WebAssembly', wasmKernel] as const]) {
    const kernel = twin(session.memory)
    measure(`snappy, ${name}`, 'MB/s decoded', length, 200, () =>
      kernel.snappy(inputAt + start, inputAt + body.length, plainAt, plainAt + length),
    )
    measure(`walk, series guessed and compared, ${name}`, 'M samples/s', SERIES, 200, () => {
      session.begin()
      session.beginRequest(0)
      words[WORD.at] = plainAt
      kernel.walk()
    })
  }
}

function measureRecord(): void {
  const columns = new SamplesColumns()
  for (let i = 0; i < SERIES; i++) columns.push(i, clock.now, [i / 100, i * 4096 * 1000, i % 5000, i * 123_457][i % 4])
  const encoder = new SamplesRecordEncoder()
  const session = new Uint8Array(16)
  let payload: Uint8Array = new Uint8Array()
  measure('record encode', 'M samples/s', SERIES, 300, () => {
    encoder.begin(session)
    payload = encoder.finish(columns)
  })
  const into = new SamplesColumns()
  measure('record decode', 'M samples/s', SERIES, 300, () => decodeSamplesRecord(payload, into))
  console.log(`${'record size'.padEnd(44)} ${(payload.length / SERIES).toFixed(2).padStart(8)} bytes a sample`)
}

async function measureWhole(): Promise<void> {
  for (const kernel of ['typescript', 'wasm'] as const) {
    const ingest = new Ingest({ log, clock, random: new TestRandom(), kernel })
    const before = process.threadCpuUsage()
    for (const one of bodies) await ingest.writeRemote(one, 'bench')
    const { user, system } = process.threadCpuUsage(before)
    console.log(`${'first sight of a series'.padEnd(44)} ${((user + system) / SERIES).toFixed(1).padStart(8)} us`)
    let turn = 0
    measure(`snappy to records (writeRemote), ${kernel}`, 'M samples/s', SERIES, 100, () => {
      void ingest.writeRemote(bodies[turn++ % bodies.length], 'bench')
    })
    await new Promise((resolve) => setImmediate(resolve))
  }
}

measureKernels()
measureRecord()
await measureWhole()
