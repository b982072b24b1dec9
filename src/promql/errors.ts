import type { Span } from './ast.ts'

/** The query can't be parsed or does not type-check; `message` is as Prometheus words it ("1:5: parse error: ..."). */
export class PromqlParseError extends Error {
  readonly span: Span

  constructor(message: string, span: Span) {
    super(message)
    this.name = 'PromqlParseError'
    this.span = span
  }
}

/** The query is well formed and can't be evaluated on this data (many-to-many matching, duplicate series, ...). */
export class PromqlExecutionError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PromqlExecutionError'
  }
}

/** Evaluation would hold more samples than allowed. */
export class PromqlLimitError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'PromqlLimitError'
  }
}
