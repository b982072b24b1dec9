import { Worker } from 'node:worker_threads'
import type { ThreadMetrics } from '../telemetry/metrics.ts'
import { workerFile } from './threads.ts'
import { RpcClient } from './worker-rpc.ts'

/** A thread that works beside this one, such as the projector, and answers calls. */
export class ServiceThread {
  readonly #worker: Worker
  readonly #calls: RpcClient
  #stopping = false

  /**
   * @param name of its file
   * @param onFailure told once when the thread has ended without being asked to
   */
  constructor(name: string, workerData: unknown, onFailure: (error: Error) => void) {
    this.#worker = new Worker(workerFile(name), { workerData })
    this.#calls = new RpcClient(this.#worker)
    this.#worker.on('error', (error) => {
      this.#calls.end(error as Error)
      onFailure(error as Error)
    })
    this.#worker.on('exit', (code) => {
      const error = new Error(`the thread ${name} has ended with ${code}`)
      this.#calls.end(error)
      if (!this.#stopping) onFailure(error)
    })
  }

  call<Result>(method: string, argument?: unknown): Promise<Result> {
    return this.#calls.call<Result>(method, argument)
  }

  metrics(): Promise<ThreadMetrics> {
    return this.call<ThreadMetrics>('metrics')
  }

  /** Lets it finish what it must, such as writing the head to the store, and ends it. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.call('stop')
    await this.#worker.terminate()
  }
}
