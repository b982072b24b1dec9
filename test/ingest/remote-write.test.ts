/** The hot path against the general decoder: on any bytes at all, both must give the same answer and the same log. */
import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { BadRequestError } from '../../src/ingest/errors.ts'
import { Ingest } from '../../src/ingest/ingest.ts'
import type { RemoteWriteMode } from '../../src/ingest/remote-write.ts'
import { replay, TestClock, TestLog, TestRandom } from './fakes.ts'
import { field, labelField, metadataField, sampleField, snappyCompress, snappyLiteral, text, varint } from './write-request.ts'

const limits = {
  labelsPerSeriesMax: 5,
  labelNameBytesMax: 12,
  labelValueBytesMax: 200,
  seriesPerSenderMax: 40,
  seriesPerRequestMax: 1000,
  bodyBytesMax: 2 ** 18,
  decompressedBytesMax: 2 ** 18,
}
const fast: readonly RemoteWriteMode[] = ['typescript', 'wasm']

function readerBy(kernel: RemoteWriteMode, knownSeriesMax: number) {
  const log = new TestLog()
  const ingest = new Ingest({
    log,
    clock: new TestClock(),
    random: new TestRandom(),
    limits,
    knownSeriesMax,
    knownBytesMax: 2 ** 20,
    kernel,
  })
  return { log, ingest }
}

async function outcomes(kernel: RemoteWriteMode, bodies: readonly Uint8Array[], knownSeriesMax = 1000) {
  const { log, ingest } = readerBy(kernel, knownSeriesMax)
  const answers: unknown[] = []
  for (const body of bodies) {
    const records = log.records.length
    try {
      const { acceptedSamples, rejectedSamples, rejected } = await ingest.writeRemote(body, 'test')
      answers.push({ acceptedSamples, rejectedSamples, rejected })
    } catch (error) {
      if (!(error instanceof BadRequestError)) throw error
      answers.push(error.message)
      // Nothing is taken of a body that is refused.
      expect(log.records.length).toBe(records)
    }
  }
  expect(log.violations).toEqual([])
  const { samples, metadata } = replay(log.records)
  const seen = samples.map(({ series, time, high, low }) => `${series} ${time} ${high} ${low}`).sort()
  return { answers, seen, metadata }
}

const now = new TestClock().now
const time = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: now - 100_000, max: now + 1000 }) },
  fc.constantFrom(0, -1, now + 86_400_000, now - 30 * 86_400_000, Number.MAX_SAFE_INTEGER),
)
const u32 = fc.nat(0xffffffff)
const sample = fc.record({ time, bits: fc.tuple(u32, u32) }).map(sampleField)
const oddSample = fc.oneof(
  fc.constant(field(2, [])),
  time.map((t) => field(2, [16, ...varint(t)])),
  time.map((t) => field(2, [16, ...varint(t), 9, 1, 2, 3, 4, 5, 6, 7, 8])),
  time.map((t) => field(2, [16, ...varint(t), 24, 1])),
  u32.map((n) => field(2, [9, 0, 0, 0, 0, 0, 0, n & 255, 64])),
)
const labelText = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'host', '__name__', 'up', 'x'.repeat(150), 'ü', '🦊'),
  fc.string({ maxLength: 14, unit: 'grapheme' }),
)
const labels = fc.oneof(
  { weight: 5, arbitrary: fc.nat(6).map((n) => [...labelField('__name__', 'up'), ...labelField('host', `h${n}`)]) },
  fc
    .array(
      fc.tuple(labelText, labelText).map(([name, value]) => labelField(name, value)),
      { maxLength: 7 },
    )
    .map((all) => [...labelField('__name__', 'odd'), ...all.flat()]),
  fc
    .array(
      fc.tuple(labelText, labelText).map(([name, value]) => labelField(name, value)),
      { maxLength: 3 },
    )
    .map((all) => all.flat()),
  fc.constant([...labelField('__name__', 'bad'), ...field(1, [...field(1, text('l')), ...field(2, [0xff, 0xfe])])]),
)
const other = fc.constantFrom(field(3, [8, 1]), field(4, [8, 1]), field(9, [1, 2]), [40, 7], [53, 1, 2, 3, 4])
const series = fc
  .record({
    before: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, oddSample),
    labels,
    samples: fc.array(fc.oneof({ weight: 6, arbitrary: sample }, oddSample), { maxLength: 4 }),
    after: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, other, labels),
  })
  .map(({ before, labels, samples, after }) => field(1, [...before, ...labels, ...samples.flat(), ...after]))
const metadata = fc.tuple(fc.nat(9), fc.constantFrom('up', 'b', '')).map(([type, metric]) => metadataField(type, metric, 'help', 's'))
const request = fc
  .array(fc.oneof({ weight: 12, arbitrary: series }, metadata, fc.constantFrom(field(2, [1]), [0x7a, 0])), { maxLength: 12 })
  .map((fields) => Uint8Array.from(fields.flat()))

describe.each(fast)('remote write by the %s kernel', (kernel) => {
  it('is what the general decoder makes of it, for any requests one after another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 4 }), async (requests) => {
        const bodies = [...requests, ...requests].map(snappyCompress)
        expect(await outcomes(kernel, bodies)).toEqual(await outcomes('general', bodies))
      }),
      { numRuns: 100 },
    )
  }, 60_000)

  it('is the same for requests with bytes changed, cut out or cut off', async () => {
    const change = fc.tuple(fc.constantFrom('set', 'insert', 'remove', 'cut'), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(request, fc.array(change, { minLength: 1, maxLength: 3 }), async (whole, changes) => {
        let bytes = [...whole]
        for (const [kind, where, byte] of changes) {
          const at = Math.floor(where * bytes.length)
          if (kind === 'set' && bytes.length > 0) bytes[Math.min(at, bytes.length - 1)] = byte
          else if (kind === 'insert') bytes.splice(at, 0, byte)
          else if (kind === 'remove') bytes.splice(at, 1)
          else bytes = bytes.slice(0, at)
        }
        const bodies = [snappyCompress(whole), snappyLiteral(Uint8Array.from(bytes)), snappyCompress(whole)]
        expect(await outcomes(kernel, bodies)).toEqual(await outcomes('general', bodies))
      }),
      { numRuns: 150 },
    )
  }, 60_000)

  it('is the same when so few series may be known that they are forgotten all the time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), async (requests) => {
        const bodies = [...requests, ...requests].map(snappyCompress)
        expect(await outcomes(kernel, bodies, 2)).toEqual(await outcomes('general', bodies, 2))
      }),
      { numRuns: 40 },
    )
  }, 60_000)

  it('fails with nothing but a BadRequestError, whatever the compressed bytes', async () => {
    const whole = snappyCompress(Uint8Array.from(fc.sample(request, { seed: 3, numRuns: 5 }).flatMap((bytes) => [...bytes])))
    const { ingest } = readerBy(kernel, 1000)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(whole.length),
        async (changes, cut) => {
          const body = whole.slice(0, cut)
          for (const [at, byte] of changes) if (at < cut) body[at] = byte
          await ingest.writeRemote(body, 'test').catch((error) => {
            if (!(error instanceof BadRequestError)) throw error
          })
        },
      ),
      { numRuns: 500 },
    )
  }, 60_000)
})
