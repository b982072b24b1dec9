import type { TimestampMs } from '../time.ts'

/** One stored object, as a listing tells it. */
export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
  /** When it became visible, by the store's clock. */
  readonly modifiedMs: TimestampMs
}

/** The archive: whole objects that are written once and never changed. S3, or a folder. */
export interface ObjectStore {
  /**
   * Stores an object if there is none of that key, all of it or nothing; a crash leaves no half object visible. Of several that put the
   * same key at once, exactly one gets 'created'. A body of unknown length may be given in pieces, each the store's until the next is
   * asked for.
   * @throws EngineError; when it is `retryable` the outcome may be unknown: put it again, or look
   */
  putIfAbsent(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<'created' | 'exists'>
  /**
   * Bytes [start, end) of an object, all of it when the range is left out; what lies behind its end is left out. `null`: no such object.
   * @throws CorruptionError when what was read is not what was written, where the engine can tell
   */
  read(key: string, range?: { readonly start: number; readonly end: number }): Promise<Uint8Array | null>
  /** `null`: no such object. */
  stat(key: string): Promise<ObjectInfo | null>
  /** Objects whose key begins with `prefix` and is greater than `after`, in order of their keys' UTF-8 bytes, in pages. */
  list(prefix: string, after?: string): AsyncIterable<readonly ObjectInfo[]>
  /** Removes an object; there being none is no error. */
  delete(key: string): Promise<void>
  close(): Promise<void>
}
