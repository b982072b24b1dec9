import { HostAgent } from '../collect/agent/host-agent.ts'
import { systemFiles } from '../collect/agent/procfs.ts'
import { RemoteSender } from '../collect/agent/remote-sender.ts'
import { SystemClock } from '../engines/system-clock.ts'
import type { Logger } from '../telemetry/log.ts'
import { VERSION } from './version.ts'

export interface AgentOptions {
  readonly url: string
  readonly intervalMs: number
  readonly instance: string
  readonly token: string | null
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** Reads this machine and sends it to a Tidemark elsewhere, until `signal` aborts. */
export async function runAgent(options: AgentOptions): Promise<void> {
  const { url, intervalMs, instance, token, logger, signal } = options
  const append = new RemoteSender({
    url,
    ...(token !== null && { token }),
    timeoutMs: Math.max(intervalMs, 5000),
    userAgent: `tidemark-agent/${VERSION}`,
  })
  const agent = new HostAgent({
    files: systemFiles,
    append,
    clock: new SystemClock(),
    logger,
    intervalMs,
    labels: { job: 'node', instance },
  })
  logger.info({ url, intervalMs, instance }, 'sending the numbers of this machine')
  agent.start()
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  await agent.stop()
}
