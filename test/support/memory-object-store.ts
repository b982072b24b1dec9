import { EngineError } from '../../src/domain/errors.ts'
import { objectKeyProblem } from '../../src/domain/object-key.ts'
import type { Clock } from '../../src/domain/ports/clock.ts'
import type { ObjectInfo, ObjectStore } from '../../src/domain/ports/object-store.ts'

/** An object store in memory, by the port's contract; `failures` of its next puts and deletes fail before they change anything. */
export class MemoryObjectStore implements ObjectStore {
  readonly #objects = new Map<string, { readonly bytes: Uint8Array; readonly modifiedMs: number }>()
  readonly #clock: Pick<Clock, 'nowMs'>
  failures = 0

  constructor(clock: Pick<Clock, 'nowMs'> = { nowMs: () => Date.now() }) {
    this.#clock = clock
  }

  async putIfAbsent(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<'created' | 'exists'> {
    this.#check(key)
    this.#mayFail()
    const pieces: Uint8Array[] = []
    for await (const piece of body instanceof Uint8Array ? [body] : body) pieces.push(piece.slice())
    if (this.#objects.has(key)) return 'exists'
    this.#objects.set(key, { bytes: Buffer.concat(pieces), modifiedMs: this.#clock.nowMs() })
    return 'created'
  }

  async read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array | null> {
    this.#check(key)
    const held = this.#objects.get(key)
    return held === undefined ? null : new Uint8Array(held.bytes.subarray(range?.start ?? 0, range?.end ?? held.bytes.length))
  }

  async stat(key: string): Promise<ObjectInfo | null> {
    this.#check(key)
    const held = this.#objects.get(key)
    return held === undefined ? null : { key, bytes: held.bytes.length, modifiedMs: held.modifiedMs }
  }

  async *list(prefix: string, after?: string): AsyncIterable<readonly ObjectInfo[]> {
    const keys = [...this.#objects.keys()].filter(
      (key) => key.startsWith(prefix) && (after === undefined || Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0),
    )
    keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    for (let at = 0; at < keys.length; at += 1000) {
      const page = await Promise.all(keys.slice(at, at + 1000).map((key) => this.stat(key)))
      yield page.filter((info) => info !== null)
    }
  }

  async delete(key: string): Promise<void> {
    this.#check(key)
    this.#mayFail()
    this.#objects.delete(key)
  }

  async close(): Promise<void> {}

  #check(key: string): void {
    const problem = objectKeyProblem(key)
    if (problem === null) return
    throw new EngineError('OBJECT_KEY', `object key ${JSON.stringify(key)} is not possible: ${problem}`, { retryable: false })
  }

  #mayFail(): void {
    if (this.failures-- > 0) throw new EngineError('OBJECTS_FAILED', 'the store fails, as the test wants', { retryable: true })
    this.failures = Math.max(0, this.failures)
  }
}
