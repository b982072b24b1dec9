import { type Logger as PinoLogger, pino } from 'pino'

/** The only way that Tidemark says something to its operator. Tokens and label values of secrets are never logged. */
export type Logger = Pick<PinoLogger, 'debug' | 'info' | 'warn' | 'error'>

export function createLogger(level: string, bindings: Record<string, unknown> = {}): Logger {
  return pino({ level, base: Object.keys(bindings).length > 0 ? bindings : null }, pino.destination({ dest: 2, sync: true }))
}

/** For tests. */
export const silentLogger: Logger = pino({ level: 'silent' })
