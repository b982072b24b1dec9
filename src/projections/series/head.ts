import { EngineError } from '../../domain/errors.ts'
import type { TimestampMs } from '../../domain/time.ts'
import { type Control, GenerationState } from './control.ts'
import { GENERATIONS, type GenerationMemory, type HeadMemory } from './head-memory.ts'
import type { SeriesIndex } from './series-index.ts'

/**
 * The newest samples, in shared memory. They come into the active generation; a flush makes another one active, writes the old one to
 * the store, and lets go of it as a whole, so nothing is ever freed sample by sample.
 *
 * In a generation each series has a list of chunks, each twice the size of the one before (8 to 128 samples), in one arena of
 * 8-byte words:
 *
 *   word 0          word 1             word 2        capacity / 2 words    capacity words
 *   [next|capacity] [count|-]          [base time]   [u32 ms after base]   [value bits]
 *
 * A sample is written first, then the count, atomically: a reader sees whole samples only.
 */
const HEADER_WORDS = 3
const CAPACITY_MIN = 8
const CAPACITY_MAX = 128
const OFFSET_MAX = 0xffffffff

class Generation {
  readonly u32: Uint32Array
  readonly f64: Float64Array
  readonly firstChunks: Uint32Array
  readonly unordered: Uint8Array

  constructor(memory: GenerationMemory) {
    this.u32 = new Uint32Array(memory.arena)
    this.f64 = new Float64Array(memory.arena)
    this.firstChunks = new Uint32Array(memory.firstChunks)
    this.unordered = new Uint8Array(memory.unordered)
  }
}

/** Reads one generation after another; on any thread. */
export class HeadReader {
  readonly #generations: readonly Generation[]

  constructor(memory: HeadMemory) {
    this.#generations = memory.generations.map((generation) => new Generation(generation))
  }

  /** How many samples a series has in a generation. */
  count(generation: number, series: number): number {
    const { u32, firstChunks } = this.#generations[generation]
    let count = 0
    for (let chunk = Atomics.load(firstChunks, series); chunk !== 0; chunk = Atomics.load(u32, 2 * chunk))
      count += Atomics.load(u32, 2 * chunk + 2)
    return count
  }

  /**
   * The samples of a series whose chunks touch (startMs, endMs], in order of arrival: so some before and after may be among them, and an
   * unordered series comes whole.
   */
  readRange(generation: number, series: number, startMs: TimestampMs, endMs: TimestampMs): { times: Float64Array; values: Float64Array } {
    const { u32, f64, firstChunks } = this.#generations[generation]
    const isUnordered = this.isUnordered(generation, series)
    let first = Atomics.load(firstChunks, series)
    // A chunk is over where the next one begins.
    for (let next = first; !isUnordered && next !== 0 && f64[next + 2] <= startMs; next = Atomics.load(u32, 2 * next)) first = next
    let count = 0
    for (let chunk = first; chunk !== 0 && (isUnordered || f64[chunk + 2] <= endMs); chunk = Atomics.load(u32, 2 * chunk))
      count += Atomics.load(u32, 2 * chunk + 2)
    const times = new Float64Array(count)
    const values = new Float64Array(count)
    this.#copy(generation, first, times, values)
    return { times, values }
  }

  hasSamples(generation: number, series: number): boolean {
    return this.#generations[generation].firstChunks[series] !== 0
  }

  isUnordered(generation: number, series: number): boolean {
    return this.#generations[generation].unordered[series] === 1
  }

  /** Copies the samples of a series in order of arrival, at most as many as fit. @returns how many */
  read(generation: number, series: number, times: Float64Array, values: Float64Array): number {
    return this.#copy(generation, Atomics.load(this.#generations[generation].firstChunks, series), times, values)
  }

  #copy(generation: number, first: number, times: Float64Array, values: Float64Array): number {
    const { u32, f64 } = this.#generations[generation]
    let at = 0
    for (let chunk = first; chunk !== 0 && at < times.length; chunk = Atomics.load(u32, 2 * chunk)) {
      const capacity = u32[2 * chunk + 1]
      const count = Math.min(Atomics.load(u32, 2 * chunk + 2), times.length - at)
      const base = f64[chunk + 2]
      const offsets = 2 * (chunk + HEADER_WORDS)
      const from = chunk + HEADER_WORDS + capacity / 2
      for (let i = 0; i < count; i++) times[at + i] = base + u32[offsets + i]
      // As a block of memory, so that a NaN keeps its bits.
      values.set(f64.subarray(from, from + count), at)
      at += count
    }
    return at
  }
}

/** Writes the active generation; on the projector's thread alone. */
export class Head {
  readonly reader: HeadReader
  readonly #control: Control
  readonly #index: SeriesIndex
  readonly #generations: readonly Generation[]
  readonly #arenaWords: number
  /** By series: the last chunk in the active generation, 0 = none. */
  readonly #lastChunks: Uint32Array
  /** By series: the greatest time in the active generation. */
  readonly #lastTimes: Float64Array
  readonly #retired: { generation: number; epoch: number }[] = []
  #active = -1
  #end = 1
  #samples = 0

  constructor(memory: HeadMemory, control: Control, index: SeriesIndex) {
    this.reader = new HeadReader(memory)
    this.#control = control
    this.#index = index
    this.#generations = memory.generations.map((generation) => new Generation(generation))
    this.#arenaWords = Math.floor(memory.limits.arenaBytes / 8)
    this.#lastChunks = new Uint32Array(memory.limits.seriesMax)
    this.#lastTimes = new Float64Array(memory.limits.seriesMax)
    this.#activate(0)
  }

  /** Samples in the active generation. */
  get sampleCount(): number {
    return this.#samples
  }
  /** Whether `samples` more fit for certain: each may open a chunk of the largest size. */
  hasRoom(samples: number): boolean {
    return this.#end + samples * (HEADER_WORDS + CAPACITY_MAX * 1.5) < this.#arenaWords
  }

  /**
   * Appends rows [start, end) of columns: `series[i]` has the value of the bits `valueBits[2 * i]` (low) and `valueBits[2 * i + 1]` (high)
   * at `times[i]`. Equal samples again are dropped. @returns how many were dropped
   */
  append(series: Uint32Array, times: Float64Array, valueBits: Uint32Array, start: number, end: number): number {
    const { u32, f64, unordered } = this.#generations[this.#active]
    const { minTimes, maxTimes } = this.#index
    const lastChunks = this.#lastChunks
    const lastTimes = this.#lastTimes
    let dropped = 0
    for (let i = start; i < end; i++) {
      const id = series[i]
      const time = times[i]
      let chunk = lastChunks[id]
      if (chunk === 0 || time > lastTimes[id]) {
        lastTimes[id] = time
        if (time > maxTimes[id]) maxTimes[id] = time
      } else {
        if (this.#isRepeated(chunk, time, valueBits[2 * i], valueBits[2 * i + 1])) {
          dropped++
          continue
        }
        unordered[id] = 1
      }
      if (time < minTimes[id]) minTimes[id] = time
      let used = chunk === 0 ? 0 : u32[2 * chunk + 2]
      let offset = chunk === 0 ? 0 : time - f64[chunk + 2]
      if (chunk === 0 || used === u32[2 * chunk + 1] || offset < 0 || offset > OFFSET_MAX) {
        chunk = this.#newChunk(id, chunk, time)
        used = 0
        offset = 0
      }
      u32[2 * (chunk + HEADER_WORDS) + used] = offset
      const at = 2 * (chunk + HEADER_WORDS + (u32[2 * chunk + 1] >>> 1) + used)
      u32[at] = valueBits[2 * i]
      u32[at + 1] = valueBits[2 * i + 1]
      Atomics.store(u32, 2 * chunk + 2, used + 1)
    }
    this.#samples += end - start - dropped
    return dropped
  }

  /** Whether the newest sample of a chunk is this very one: a sender that tries again. */
  #isRepeated(chunk: number, time: number, low: number, high: number): boolean {
    const { u32, f64 } = this.#generations[this.#active]
    const last = u32[2 * chunk + 2] - 1
    if (last < 0 || f64[chunk + 2] + u32[2 * (chunk + HEADER_WORDS) + last] !== time) return false
    const at = 2 * (chunk + HEADER_WORDS + (u32[2 * chunk + 1] >>> 1) + last)
    return u32[at] === low && u32[at + 1] === high
  }

  #newChunk(id: number, last: number, base: number): number {
    const { u32, f64, firstChunks } = this.#generations[this.#active]
    const capacity = last === 0 ? CAPACITY_MIN : Math.min(CAPACITY_MAX, 2 * u32[2 * last + 1])
    const chunk = this.#end
    const words = HEADER_WORDS + capacity * 1.5
    if (chunk + words > this.#arenaWords) throw new EngineError('HEAD_FULL', 'the head is full', { retryable: true })
    this.#end += words
    u32[2 * chunk] = 0
    u32[2 * chunk + 1] = capacity
    u32[2 * chunk + 2] = 0
    f64[chunk + 2] = base
    if (last === 0) Atomics.store(firstChunks, id, chunk)
    else Atomics.store(u32, 2 * last, chunk)
    this.#lastChunks[id] = chunk
    return chunk
  }

  /** Whether a free generation stands ready, so that `rotate` may be called. */
  canRotate(): boolean {
    this.#reclaim()
    return this.#freeGeneration() !== -1
  }

  /** Makes another generation active. @returns the one that is to be flushed; it stays readable until `retire` */
  rotate(): number {
    const flushing = this.#active
    const next = this.#freeGeneration()
    if (next === -1) throw new EngineError('HEAD_BUSY', 'every generation of the head is still being read', { retryable: true })
    // Both are readable for a moment; they share no sample.
    this.#activate(next)
    this.#control.setGenerationState(flushing, GenerationState.flushing)
    return flushing
  }

  /** What a generation holds stands in the store now: readers that come later don't see it, its memory is reused when the others have left. */
  retire(generation: number): void {
    this.#control.setGenerationState(generation, GenerationState.retired)
    this.#retired.push({ generation, epoch: this.#control.nextEpoch() })
    this.#reclaim()
  }

  #reclaim(): void {
    while (this.#retired.length > 0 && this.#control.hasLeft(this.#retired[0].epoch)) {
      const { generation } = this.#retired.shift()!
      const seriesCount = this.#index.seriesCount
      this.#generations[generation].firstChunks.fill(0, 0, seriesCount)
      this.#generations[generation].unordered.fill(0, 0, seriesCount)
      this.#control.setGenerationState(generation, GenerationState.free)
    }
  }

  #freeGeneration(): number {
    for (let generation = 0; generation < GENERATIONS; generation++) {
      if (this.#control.generationState(generation) === GenerationState.free && generation !== this.#active) return generation
    }
    return -1
  }

  #activate(generation: number): void {
    this.#active = generation
    this.#end = 1
    this.#samples = 0
    this.#lastChunks.fill(0, 0, this.#index.seriesCount)
    this.#control.setGenerationState(generation, GenerationState.active)
  }
}
