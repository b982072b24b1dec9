import { loadConfig } from '../config.ts'
import { lockDataFolder } from '../engines/embedded/data-lock.ts'
import { createLogger } from '../telemetry/log.ts'
import { ask } from './client.ts'
import type { ClientFlags } from './program.ts'

/** Seals everything: through the running server, or, with a data folder, in this process while no server has it. */
export async function seal(flags: ClientFlags & { data?: string; config?: string }): Promise<void> {
  const startMs = performance.now()
  if (flags.data === undefined) await ask(flags, '/-/seal', { method: 'POST' })
  else await sealFolder(flags.data, flags.config)
  console.log(`sealed in ${((performance.now() - startMs) / 1000).toFixed(1)} s`)
}

async function sealFolder(data: string, config: string | undefined): Promise<void> {
  // Nothing listens here: a host of the configuration that demands a token is no concern of this command.
  const settings = loadConfig({ data, host: '127.0.0.1', ...(config !== undefined && { config }) })
  const lock = lockDataFolder(settings.dataDir)
  try {
    const { sealStopped } = await import('../presets/embedded.ts')
    await sealStopped(settings, createLogger(settings.logLevel))
  } finally {
    lock.release()
  }
}
