/**
 * The block codec: speed and bytes a sample, by kind of data. Prints M samples/s a CPU-second of this thread (decoding opens the page each
 * time), and bytes a sample of whole pages (identities, times and checksums included). Run: npm run bench -- block-codec
 */
import { PageReader } from '../src/projections/blocks/page-reader.ts'
import { PageWriter } from '../src/projections/blocks/page-writer.ts'

let state = 42
function uniform(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return (state + 0.5) / 2 ** 32
}
const gaussian = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform())
const cents = (value: number) => Math.round(value * 100) / 100

type Kind = (count: number) => Float64Array
const walk =
  (sigma: number, moves: number, low: number, high: number, unit: number): Kind =>
  (count) => {
    let value = low + (high - low) * uniform()
    return Float64Array.from({ length: count }, () => {
      if (uniform() < moves) value = Math.min(high, Math.max(low, value + sigma * gaussian()))
      return unit === 0.01 ? cents(value) : Math.round(value / unit) * unit
    })
  }
const counter =
  (mean: number): Kind =>
  (count) => {
    let value = 0
    return Float64Array.from({ length: count }, () => {
      value += Math.max(0, Math.round(mean + (mean / 3) * gaussian()))
      if (uniform() < 0.0005) value = 0
      return value
    })
  }
const kinds: Record<string, Kind> = {
  'cpu walk, sigma 1.00': walk(1, 1, 0, 100, 0.01),
  'cpu walk, sigma 0.2, half still': walk(0.2, 0.5, 0, 100, 0.01),
  'load walk, sigma 0.05': walk(0.05, 1, 0, 64, 0.01),
  'latency walk, sigma 3': walk(3, 1, 0.5, 5000, 0.01),
  'mostly still': walk(0.5, 0.02, 0, 100, 0.01),
  'bytes in pages, sigma 16 MiB': walk(2 ** 24, 1, 2 ** 30, 2 ** 36, 4096),
  'queue, sigma 25': walk(25, 0.9, 0, 100_000, 1),
  'connections, sigma 5': walk(5, 0.9, 0, 10_000, 1),
  'counter, mean 1200': counter(1200),
  'counter, mean 6': counter(6),
  'counter, mean 3 MiB': counter(3 * 2 ** 20),
  'full doubles': (count) => Float64Array.from({ length: count }, () => Math.sin(uniform() * 1000)),
}

/** The CPU clock of a thread may tick in steps of 4 ms, so work is repeated until a step no longer matters. */
const MEASURED_SECONDS = 0.12

/** Seconds of this thread's CPU for one call, after one that warms up. */
function cpuSeconds(work: () => void): number {
  work()
  const before = process.threadCpuUsage()
  for (let calls = 1; ; calls++) {
    work()
    const { user, system } = process.threadCpuUsage(before)
    if (user + system >= MEASURED_SECONDS * 1e6) return (user + system) / 1e6 / calls
  }
}

const SERIES = 125

/** Times on a grid, each up to `jitterMs` off it; of one column for all series, or of each its own, as senders with clocks of their own make. */
interface Times {
  readonly jitterMs: number
  readonly ofEach: boolean
}
const GRID: Times = { jitterMs: 0, ofEach: false }

function measure(name: string, make: Kind, samples: number, compress: boolean, { jitterMs, ofEach }: Times): number {
  const start = 1_790_000_000_000
  const makeTimes = () =>
    Float64Array.from({ length: samples }, (_, i) => start + i * 10_000 + Math.round((uniform() - 0.5) * 2 * jitterMs))
  const shared = makeTimes()
  const series = Array.from({ length: SERIES }, () => ({
    identity: crypto.getRandomValues(new Uint8Array(16)),
    times: ofEach ? makeTimes() : shared,
    values: make(samples),
  }))
  const encode = () => {
    const writer = new PageWriter({ pageBytesTarget: 64 * 1024, compress })
    for (const { identity, times, values } of series) writer.add(identity, times, values, 0, samples)
    return writer.finish()
  }
  const pages = encode()
  const encodeSeconds = cpuSeconds(encode)
  const decodeSeconds = cpuSeconds(() => {
    for (const { bytes } of pages) {
      const page = PageReader.open(bytes, 'bench')
      for (let chunk = 0; chunk < page.seriesCount; chunk++) {
        page.times(chunk)
        page.values(chunk)
      }
    }
  })
  const total = SERIES * samples
  const bytes = pages.reduce((sum, page) => sum + page.bytes.length, 0) / total
  const speed = (seconds: number) => (total / seconds / 1e6).toFixed(0).padStart(5)
  console.log(
    `${name.padEnd(34)} ${String(samples).padStart(4)} ${compress ? 'sealed' : 'fresh '} ${speed(encodeSeconds)} ${speed(decodeSeconds)} ${bytes.toFixed(3).padStart(8)}`,
  )
  return bytes
}

console.log('kind                               count form   enc M/s dec M/s  B/sample')
for (const [compress, samples] of [
  [false, 30],
  [false, 120],
  [false, 720],
  [true, 120],
  [true, 720],
] as const)
  for (const [name, make] of Object.entries(kinds)) measure(name, make, samples, compress, GRID)
measure('cpu walk, 5 ms off, shared', kinds['cpu walk, sigma 1.00'], 720, true, { jitterMs: 5, ofEach: false })
measure('cpu walk, 5 ms off, each its own', kinds['cpu walk, sigma 1.00'], 720, true, { jitterMs: 5, ofEach: true })
