/** A command failed for a reason that its message tells fully: printed without a stack. */
export class CliError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'CliError'
  }
}
