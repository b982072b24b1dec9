import { type Transferable, Worker } from 'node:worker_threads'
import { messageOf } from './query-errors.ts'
import { CONTROL, type FromWorker, isQueryMessage, type QueryCall, type ToWorker } from './query-messages.ts'
import { QueryError } from './query-service.ts'

/** How to start a worker: asked anew for each, since what is transferred is gone with it. */
export interface WorkerStart {
  readonly workerData: Readonly<Record<string, unknown>>
  readonly transferList?: readonly Transferable[]
  readonly resourceLimits?: { readonly maxOldGenerationSizeMb?: number }
}

export interface Reply {
  readonly value: unknown
  readonly samplesRead: number
}

interface Running {
  readonly id: number
  readonly settle: (outcome: Reply | QueryError) => void
}

/** One worker thread of the pool: runs one call at a time, and says when it is ready, idle again, or gone. */
export class PoolWorker {
  readonly worker: Worker
  readonly #control = new Int32Array(new SharedArrayBuffer(4))
  readonly #onChange: () => void
  #running: Running | null = null
  #isReady = false
  #isGone = false

  /** `onChange`: it may be idle now; `onGone`: it ended without being told to. */
  constructor(entry: URL, start: WorkerStart, onChange: () => void, onGone: (worker: PoolWorker, error: QueryError) => void) {
    this.#onChange = onChange
    this.worker = new Worker(entry, {
      workerData: { ...start.workerData, [CONTROL]: this.#control.buffer },
      transferList: [...(start.transferList ?? [])],
      ...(start.resourceLimits && { resourceLimits: start.resourceLimits }),
    })
    let cause: QueryError | null = null
    this.worker.on('message', (message: unknown) => this.#receive(message))
    this.worker.on('error', (error: unknown) => {
      cause = causeOf(error)
    })
    this.worker.on('exit', (code) => {
      if (this.#isGone) return
      this.#isGone = true
      const error = cause ?? new QueryError('internal', `a query worker ended with code ${code}`)
      this.#settle(error)
      onGone(this, error)
    })
  }

  /** The call that runs now. */
  get runningId(): number | null {
    return this.#running?.id ?? null
  }

  get isIdle(): boolean {
    return this.#isReady && !this.#isGone && this.#running === null
  }

  /** Only when idle. Resolves with the reply or the error. */
  run(id: number, call: QueryCall): Promise<Reply | QueryError> {
    return new Promise((settle) => {
      this.#running = { id, settle }
      this.#post({ tidemark: 'query', type: 'run', id, call })
    })
  }

  /** Asks the running call to end: by a message while it waits, by the flag while it computes. */
  cancel(id: number): void {
    if (this.#running?.id !== id) return
    Atomics.store(this.#control, 0, id)
    this.#post({ tidemark: 'query', type: 'cancel', id })
  }

  /** Ends the thread, whatever it does; the running call settles with the error. */
  async end(error: QueryError): Promise<void> {
    this.#isGone = true
    this.#settle(error)
    await this.worker.terminate()
  }

  #receive(message: unknown): void {
    if (this.#isGone || !isQueryMessage(message)) return
    // The mark says that `serveQueries` sent it, and it sends only these.
    const news = message as FromWorker
    if (news.type === 'ready') {
      this.#isReady = true
      this.#onChange()
    } else if (news.id === this.#running?.id) {
      this.#settle(news.type === 'done' ? news : new QueryError(news.code, news.message))
      this.#onChange()
    }
  }

  #settle(outcome: Reply | QueryError): void {
    const running = this.#running
    this.#running = null
    running?.settle(outcome)
  }

  #post(message: ToWorker): void {
    this.worker.postMessage(message)
  }
}

function causeOf(error: unknown): QueryError {
  if (typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return new QueryError('limit', 'the query needed more memory than a worker may use', { cause: error })
  }
  return new QueryError('internal', `a query worker failed: ${messageOf(error)}`, { cause: error })
}
