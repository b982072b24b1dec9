import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { SystemClock } from '../engines/system-clock.ts'
import type { Logger } from '../telemetry/log.ts'
import { openStorage } from './storage.ts'

/** Seals every bucket of a data folder that no server has open: `tidemark seal --data`. */
export async function sealStopped(config: Config, logger: Logger): Promise<void> {
  const clock = new SystemClock()
  const failed = Promise.withResolvers<never>()
  const storage = await openStorage(config, clock, logger, failed.reject)
  const ready = async () => {
    while (!storage.control.ready) await delay(10)
    await storage.projector.call('seal')
  }
  await Promise.race([ready(), failed.promise])
  await storage.projector.stop(true)
  await storage.log.close()
}
