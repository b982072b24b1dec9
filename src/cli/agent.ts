import { hostname } from 'node:os'
import { createLogger } from '../telemetry/log.ts'
import type { ClientFlags } from './program.ts'
import { stopSignals } from './stop-signals.ts'

/** Collects this machine and pushes to a server until it is told to stop. */
export async function agent({ url, token, interval, instance }: ClientFlags & { interval: number; instance?: string }): Promise<void> {
  const stop = stopSignals()
  const stopping = new AbortController()
  void stop.first.then(() => stopping.abort())
  const { runAgent } = await import('../presets/agent.ts')
  await runAgent({
    url,
    intervalMs: interval,
    instance: instance ?? hostname(),
    token: token ?? null,
    logger: createLogger('info'),
    signal: stopping.signal,
  })
  stop.ignore()
}
