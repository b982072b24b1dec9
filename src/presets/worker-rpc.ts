import type { MessagePort } from 'node:worker_threads'

/** Calls by name between the main thread and a worker it has started: one question, one answer, errors by their message. */
export type RpcHandlers = Readonly<Record<string, (argument: never) => unknown>>

interface Question {
  readonly id: number
  readonly method: string
  readonly argument: unknown
}

interface Reply {
  readonly id: number
  readonly result?: unknown
  readonly error?: string
}

/** The part of a port or worker that calls need. */
export type RpcPort = Pick<MessagePort, 'postMessage'> & { on(event: 'message', listener: (message: unknown) => void): unknown }

/** Answers calls that come in on a port. */
export function serveCalls(port: RpcPort, handlers: RpcHandlers): void {
  port.on('message', async (message) => {
    const { id, method, argument } = message as Question // only `RpcClient` posts on this port
    try {
      port.postMessage({ id, result: await handlers[method](argument as never) } satisfies Reply)
    } catch (error) {
      port.postMessage({ id, error: (error as Error).message } satisfies Reply)
    }
  })
}

/** Calls a worker. When it ends, what is waiting for it fails. */
export class RpcClient {
  readonly #port: RpcPort
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>()
  #next = 0
  #ended: Error | null = null

  constructor(port: RpcPort) {
    this.#port = port
    port.on('message', (message) => {
      const { id, result, error } = message as Reply // only `serveCalls` posts on this port
      const waiting = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error))
    })
  }

  call<Result>(method: string, argument?: unknown): Promise<Result> {
    if (this.#ended !== null) return Promise.reject(this.#ended)
    const id = this.#next++
    return new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.#port.postMessage({ id, method, argument } satisfies Question)
    })
  }

  end(error: Error): void {
    this.#ended = error
    for (const { reject } of this.#waiting.values()) reject(error)
    this.#waiting.clear()
  }
}
