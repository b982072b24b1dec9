/** The outside world failed: a disk, a broker, a store. Leaves say whether trying again makes sense; the runner alone retries. */
export class EngineError extends Error {
  readonly code: string
  readonly retryable: boolean

  constructor(code: string, message: string, options: { retryable: boolean; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.name = 'EngineError'
    this.code = code
    this.retryable = options.retryable
  }
}

/** Stored bytes are not what was written: names the place. Never served, never skipped silently. */
export class CorruptionError extends EngineError {
  /** Of a log: where reading can go on behind the damage; what lies before is lost. */
  readonly resumeAt: ReadonlyMap<number, number> | null
  /** Of a block store: the key of the row; null when more than one row is concerned. */
  readonly clusteringKey: string | null

  constructor(message: string, options: { cause?: unknown; resumeAt?: ReadonlyMap<number, number>; clusteringKey?: string } = {}) {
    super('CORRUPT', message, { retryable: false, cause: options.cause })
    this.name = 'CorruptionError'
    this.resumeAt = options.resumeAt ?? null
    this.clusteringKey = options.clusteringKey ?? null
  }
}
