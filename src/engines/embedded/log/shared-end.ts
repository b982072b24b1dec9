/**
 * What the writer tells readers in other threads, in one SharedArrayBuffer of 64-bit slots:
 *   0 durable end: segment in the upper 32 bits, byte in the lower ones; readers wait on it
 *   1 partitions; 2 generation; 3 oldest segment held
 *   4 .. 4 + partitions: oldest offset held; then as many: next offset
 * The next offsets are stored before the end: an offset that a reader was given is never beyond what the log says it has.
 */
const END = 0
const PARTITIONS = 1
const GENERATION = 2
const OLDEST = 3
const STARTS = 4

export interface LogEnd {
  /** 0: nothing was ever written. */
  readonly segment: number
  readonly byte: number
}

export class SharedEnd {
  readonly buffer: SharedArrayBuffer
  readonly partitionCount: number
  readonly generation: number
  readonly #slots: BigInt64Array

  private constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.#slots = new BigInt64Array(buffer)
    this.partitionCount = Number(this.#slots[PARTITIONS])
    this.generation = Number(this.#slots[GENERATION])
  }

  static create(partitionCount: number, generation: number): SharedEnd {
    const buffer = new SharedArrayBuffer(8 * (STARTS + 2 * partitionCount))
    const slots = new BigInt64Array(buffer)
    slots[PARTITIONS] = BigInt(partitionCount)
    slots[GENERATION] = BigInt(generation)
    return new SharedEnd(buffer)
  }

  static attach(buffer: SharedArrayBuffer): SharedEnd {
    return new SharedEnd(buffer)
  }

  publishEnd(end: LogEnd, nextOffsets: readonly number[]): void {
    for (let i = 0; i < this.partitionCount; i++) this.#store(STARTS + this.partitionCount + i, nextOffsets[i] as number)
    Atomics.store(this.#slots, END, (BigInt(end.segment) << 32n) | BigInt(end.byte))
    Atomics.notify(this.#slots, END)
  }

  publishStart(oldestSegment: number, starts: readonly number[]): void {
    this.#store(OLDEST, oldestSegment)
    for (let i = 0; i < this.partitionCount; i++) this.#store(STARTS + i, starts[i] as number)
  }

  end(): LogEnd {
    const packed = Atomics.load(this.#slots, END)
    return { segment: Number(packed >> 32n), byte: Number(packed & 0xffff_ffffn) }
  }

  oldestSegment(): number {
    return this.#load(OLDEST)
  }

  start(partition: number): number {
    return this.#load(STARTS + partition)
  }

  next(partition: number): number {
    return this.#load(STARTS + this.partitionCount + partition)
  }

  /** Resolves when the end is another than `seen`. */
  async changed(seen: LogEnd): Promise<void> {
    const waiting = Atomics.waitAsync(this.#slots, END, (BigInt(seen.segment) << 32n) | BigInt(seen.byte))
    if (waiting.async) await waiting.value
  }

  #store(slot: number, value: number): void {
    Atomics.store(this.#slots, slot, BigInt(value))
  }

  #load(slot: number): number {
    return Number(Atomics.load(this.#slots, slot))
  }
}
