import type { MessagePort, Transferable } from 'node:worker_threads'
import { workerData } from 'node:worker_threads'
import { invariant } from '../stdx/invariant.ts'
import { instantJson, rangeJson } from './prometheus-json.ts'
import type { QueryEngine } from './query-engine.ts'
import { asQueryError } from './query-errors.ts'
import { CONTROL, type FromWorker, isQueryMessage, packInstant, packRange, type QueryCall, type ToWorker } from './query-messages.ts'

/**
 * Answers the calls that a `QueryPool` sends to this worker; to be called by the worker's entry when its engine can answer. Messages
 * that are not the pool's are left alone.
 */
export function serveQueries(port: MessagePort, engine: QueryEngine): void {
  const control: unknown = workerData?.[CONTROL]
  invariant(control instanceof SharedArrayBuffer, 'serveQueries runs in a worker of a QueryPool')
  const cancelled = new Int32Array(control)
  const running = new Map<number, AbortController>()
  const post = (message: FromWorker, transfer: readonly Transferable[] = []): void => port.postMessage(message, transfer)

  const run = async (id: number, call: QueryCall): Promise<void> => {
    const abort = new AbortController()
    running.set(id, abort)
    try {
      const { value, samplesRead, transfer } = await answer(engine, call, abort.signal, () => Atomics.load(cancelled, 0) === id)
      post({ tidemark: 'query', type: 'done', id, value, samplesRead }, transfer)
    } catch (error) {
      const { code, message } = asQueryError(error)
      post({ tidemark: 'query', type: 'failed', id, code, message })
    } finally {
      running.delete(id)
    }
  }

  port.on('message', (message: unknown) => {
    if (!isQueryMessage(message)) return
    // The mark says that the pool sent it, and the pool sends only these.
    const order = message as ToWorker
    if (order.type === 'cancel') running.get(order.id)?.abort()
    else void run(order.id, order.call)
  })
  post({ tidemark: 'query', type: 'ready' })
}

interface Reply {
  readonly value: unknown
  readonly samplesRead: number
  readonly transfer: readonly Transferable[]
}

async function answer(engine: QueryEngine, call: QueryCall, signal: AbortSignal, isCancelled: () => boolean): Promise<Reply> {
  switch (call.method) {
    case 'instant': {
      const result = await engine.instant(call.query, signal, isCancelled)
      return { value: packInstant(result), samplesRead: result.stats.samplesRead, transfer: [] }
    }
    case 'range': {
      const result = await engine.range(call.query, signal, isCancelled)
      return { ...packRange(result), samplesRead: result.stats.samplesRead }
    }
    case 'instantJson': {
      const result = await engine.instant(call.query, signal, isCancelled)
      return ofBytes(instantJson(result, call.format), result.stats.samplesRead)
    }
    case 'rangeJson': {
      const result = await engine.range(call.query, signal, isCancelled)
      return ofBytes(rangeJson(result, call.format), result.stats.samplesRead)
    }
    case 'series':
      return ofValue((await engine.series(call.query, signal)).map((labels) => labels.pairs))
    case 'labelNames':
      return ofValue(await engine.labelNames(call.query, signal))
    case 'labelValues':
      return ofValue(await engine.labelValues(call.name, call.query, signal))
  }
}

function ofValue(value: unknown): Reply {
  return { value, samplesRead: 0, transfer: [] }
}

function ofBytes(bytes: Uint8Array<ArrayBuffer>, samplesRead: number): Reply {
  return { value: bytes, samplesRead, transfer: [bytes.buffer] }
}
