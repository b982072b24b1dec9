import type { Offset } from '../../domain/position.ts'
import type { Gap } from './checkpoints.ts'
import { GENERATIONS } from './head-memory.ts'

/** What a generation of the head is at the moment. Readers read `active` and `flushing` ones. */
export const GenerationState = { free: 0, active: 1, flushing: 2, retired: 3 } as const
export type GenerationState = (typeof GenerationState)[keyof typeof GenerationState]

/** Words of the control block, as Int32. Partitioned 64-bit fields follow from byte `OFFSETS_AT`. */
const Word = {
  epoch: 0,
  seriesCount: 1,
  symbolCount: 2,
  pairCount: 3,
  nameCount: 4,
  /** Counts applied batches; waited on. */
  appliedSequence: 6,
  /** 1 once the projector has caught up with what the log held at start. */
  ready: 7,
  /** 1 while the head is at its memory bound and no longer tails. */
  stalled: 8,
  /** How full the index is, in thousandths of what it can hold. */
  indexFullness: 9,
  generations: 16,
  readers: 32,
} as const
const READERS_MAX = 512
const OFFSETS_AT = 4096
const PARTITIONS_MAX = 1024

/** The small shared words by which the projector tells readers what stands, and readers tell it what they still read. */
export class Control {
  readonly words: Int32Array
  readonly #applied: BigInt64Array
  readonly #durable: BigInt64Array
  readonly #pendingSinceMs: Float64Array
  readonly #catalogueVersions: Int32Array
  /** Four a partition: from, to (0: none), startMs, endMs. */
  readonly #gaps: Float64Array

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory)
    this.#applied = new BigInt64Array(memory, OFFSETS_AT, PARTITIONS_MAX)
    this.#durable = new BigInt64Array(memory, OFFSETS_AT + 8 * PARTITIONS_MAX, PARTITIONS_MAX)
    this.#pendingSinceMs = new Float64Array(memory, OFFSETS_AT + 16 * PARTITIONS_MAX, PARTITIONS_MAX)
    this.#catalogueVersions = new Int32Array(memory, OFFSETS_AT + 24 * PARTITIONS_MAX, PARTITIONS_MAX)
    this.#gaps = new Float64Array(memory, OFFSETS_AT + 28 * PARTITIONS_MAX, 4 * PARTITIONS_MAX)
  }

  get seriesCount(): number {
    return Atomics.load(this.words, Word.seriesCount)
  }
  set seriesCount(count: number) {
    Atomics.store(this.words, Word.seriesCount, count)
  }
  get symbolCount(): number {
    return Atomics.load(this.words, Word.symbolCount)
  }
  set symbolCount(count: number) {
    Atomics.store(this.words, Word.symbolCount, count)
  }
  get pairCount(): number {
    return Atomics.load(this.words, Word.pairCount)
  }
  set pairCount(count: number) {
    Atomics.store(this.words, Word.pairCount, count)
  }
  get nameCount(): number {
    return Atomics.load(this.words, Word.nameCount)
  }
  set nameCount(count: number) {
    Atomics.store(this.words, Word.nameCount, count)
  }

  catalogueVersion(partition: number): number {
    return Atomics.load(this.#catalogueVersions, partition)
  }
  /** Says that what the store holds of a partition has changed; readers look again before their next query. */
  bumpCatalogue(partition: number): void {
    Atomics.add(this.#catalogueVersions, partition, 1)
  }

  /** The gap that was found last while folding a partition here, whether or not it stands in a checkpoint yet. */
  gap(partition: number): Gap | null {
    const [from, to, startMs, endMs] = this.#gaps.subarray(4 * partition, 4 * partition + 4)
    return to === 0 ? null : { from, to, startMs, endMs }
  }
  setGap(partition: number, gap: Gap | null): void {
    const { from, to, startMs, endMs } = gap ?? { from: 0, to: 0, startMs: 0, endMs: 0 }
    this.#gaps.set([from, to, startMs, endMs], 4 * partition)
  }

  get ready(): boolean {
    return Atomics.load(this.words, Word.ready) === 1
  }
  set ready(ready: boolean) {
    Atomics.store(this.words, Word.ready, ready ? 1 : 0)
  }
  get stalled(): boolean {
    return Atomics.load(this.words, Word.stalled) === 1
  }
  set stalled(stalled: boolean) {
    Atomics.store(this.words, Word.stalled, stalled ? 1 : 0)
  }

  /** How full the index is, from 0 to 1. */
  get indexFullness(): number {
    return Atomics.load(this.words, Word.indexFullness) / 1000
  }
  set indexFullness(fullness: number) {
    Atomics.store(this.words, Word.indexFullness, Math.round(fullness * 1000))
  }

  /** The next offset of a partition that has not been applied to the head. */
  applied(partition: number): Offset {
    return Number(Atomics.load(this.#applied, partition))
  }
  setApplied(partition: number, next: Offset): void {
    Atomics.store(this.#applied, partition, BigInt(next))
  }
  /** Wakes those who wait for a position. */
  publishApplied(): void {
    Atomics.add(this.words, Word.appliedSequence, 1)
    Atomics.notify(this.words, Word.appliedSequence)
  }
  get appliedSequence(): number {
    return Atomics.load(this.words, Word.appliedSequence)
  }
  /** Resolves when more has been applied than at `sequence`, or after `timeoutMs`. */
  async waitApplied(sequence: number, timeoutMs: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.words, Word.appliedSequence, sequence, timeoutMs)
    if (waiting.async) await waiting.value
  }

  /** The next offset of a partition as its producer last knew it durable. */
  durable(partition: number): Offset {
    return Number(Atomics.load(this.#durable, partition))
  }
  /** Called by the producer; `nowMs` is remembered while records wait to be applied. */
  setDurable(partition: number, next: Offset, nowMs: number): void {
    if (next <= this.durable(partition)) return
    if (this.applied(partition) >= this.durable(partition)) this.#pendingSinceMs[partition] = nowMs
    Atomics.store(this.#durable, partition, BigInt(next))
  }
  /** Age of the oldest durable record that is not yet applied, 0 when caught up. */
  ageMs(partitions: number, nowMs: number): number {
    let age = 0
    for (let partition = 0; partition < partitions; partition++) {
      if (this.durable(partition) > this.applied(partition)) age = Math.max(age, nowMs - this.#pendingSinceMs[partition])
    }
    return age
  }

  /** Waits until what is durable now is applied too, at most `timeoutMs`: so that an answer holds whatever was acknowledged before the question. */
  async settle(partitions: number, timeoutMs: number, monotonicMs: () => number): Promise<void> {
    const wanted = Array.from({ length: partitions }, (_, partition) => this.durable(partition))
    const deadline = monotonicMs() + timeoutMs
    for (;;) {
      const sequence = this.appliedSequence
      const left = deadline - monotonicMs()
      if (left <= 0 || wanted.every((offset, partition) => this.applied(partition) >= offset)) return
      await this.waitApplied(sequence, left)
    }
  }

  generationState(generation: number): GenerationState {
    return Atomics.load(this.words, Word.generations + generation) as GenerationState
  }
  setGenerationState(generation: number, state: GenerationState): void {
    Atomics.store(this.words, Word.generations + generation, state)
  }
  /** Generations that hold samples to be read. */
  readableGenerations(): number[] {
    const readable: number[] = []
    for (let generation = 0; generation < GENERATIONS; generation++) {
      const state = this.generationState(generation)
      if (state === GenerationState.active || state === GenerationState.flushing) readable.push(generation)
    }
    return readable
  }

  /** Moves the epoch on: what was let go of before may be reused once every reader has left or entered later. @returns the epoch left behind */
  nextEpoch(): number {
    return Atomics.add(this.words, Word.epoch, 1)
  }
  /** A reader enters: nothing that stands now is reused until it leaves. */
  enter(reader: number): void {
    for (;;) {
      const epoch = Atomics.load(this.words, Word.epoch)
      Atomics.store(this.words, Word.readers + reader, epoch + 1)
      if (Atomics.load(this.words, Word.epoch) === epoch) return
    }
  }
  leave(reader: number): void {
    Atomics.store(this.words, Word.readers + reader, 0)
  }
  /** Whether no reader is left that entered in `epoch` or before. */
  hasLeft(epoch: number): boolean {
    for (let reader = 0; reader < READERS_MAX; reader++) {
      const entered = Atomics.load(this.words, Word.readers + reader)
      if (entered !== 0 && entered - 1 <= epoch) return false
    }
    return true
  }
}
