import type { ExecutionResult, GraphQLError } from 'graphql'

type Started = ExecutionResult | AsyncIterable<ExecutionResult>

export interface AbortHooks {
  /** The reader has left before the end. */
  abort(): void
  /** It is over, one way or the other; called once. */
  end(errors: readonly GraphQLError[] | undefined): void
}

/**
 * The results of an operation, one or many, as a stream that can be left at any time. A generator would not do: its `return` waits for
 * the step that is under way, and that is the very step to be given up.
 */
export function abortable(start: () => Started | Promise<Started>, hooks: AbortHooks): AsyncGenerator<ExecutionResult> {
  let source: AsyncIterator<ExecutionResult> | null = null
  let over = false
  let begun = false
  const finish = (errors?: readonly GraphQLError[]): IteratorResult<ExecutionResult, undefined> => {
    if (!over) {
      over = true
      hooks.end(errors)
    }
    return { done: true, value: undefined }
  }
  const leave = async () => {
    if (!over) hooks.abort()
    finish()
    await source?.return?.()
    return { done: true as const, value: undefined }
  }
  return {
    async next() {
      if (over) return finish()
      if (begun) return source ? step(source) : finish()
      begun = true
      const started = await start()
      if (Symbol.asyncIterator in started) {
        source = started[Symbol.asyncIterator]()
        if (over) {
          await source.return?.()
          return finish()
        }
        return step(source)
      }
      if (!over) finish(started.errors)
      return { done: false, value: started }
    },
    return: leave,
    async throw(error) {
      await leave()
      throw error
    },
    [Symbol.asyncIterator]() {
      return this
    },
    async [Symbol.asyncDispose]() {
      await leave()
    },
  }

  async function step(from: AsyncIterator<ExecutionResult>): Promise<IteratorResult<ExecutionResult, undefined>> {
    const result = await from.next()
    return result.done ? finish() : { done: false, value: result.value }
  }
}
