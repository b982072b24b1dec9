/** Why a request can never succeed as it is; the HTTP layer answers 400, 413 or 415. */
export type BadRequestReason = 'malformed' | 'too-large' | 'unsupported-encoding'

/** A body that can never succeed, however often it is sent again: nothing of it was taken. The message names the field or byte. */
export class BadRequestError extends Error {
  readonly reason: BadRequestReason

  constructor(message: string, reason: BadRequestReason = 'malformed', options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'BadRequestError'
    this.reason = reason
  }
}
