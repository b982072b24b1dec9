import { PromqlParseError } from '../errors.ts'

/** The error that Prometheus would give: "line:column: parse error: message"; columns count UTF-8 bytes, from 1. */
export function parseError(text: string, start: number, end: number, message: string): PromqlParseError {
  return new PromqlParseError(`${position(text, start)}: parse error: ${message}`, { start, end })
}

/** "line:column" of a UTF-16 index. */
export function position(text: string, index: number): string {
  if (text === '') return 'unknown position'
  const before = text.slice(0, index)
  const lineStart = before.lastIndexOf('\n') + 1
  const line = before.split('\n').length
  return `${line}:${new TextEncoder().encode(before.slice(lineStart)).length + 1}`
}
