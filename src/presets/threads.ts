import type { Config } from '../config.ts'
import { SAMPLES_TOPIC } from '../domain/events/topics.ts'
import type { HeadMemory } from '../projections/series/head-memory.ts'

/** What every worker thread of the embedded preset is started with. */
export interface ThreadData {
  readonly memory: HeadMemory
  readonly dataDir: string
  /** The durable end of the log, published by its writer. */
  readonly logShared: SharedArrayBuffer
  readonly limits: Config['limits']
  readonly logLevel: string
  /** The thread's own place among the readers of the head; -1 for the projector. */
  readonly reader: number
}

/** A worker's file beside this one: .ts when run from source, .js when built. */
export function workerFile(name: string): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./${name}.${extension}`, import.meta.url)
}

/** Where things stand in the data folder. */
export const folders = {
  samplesLog: (dataDir: string) => `${dataDir}/log/${SAMPLES_TOPIC}`,
  blocks: (dataDir: string) => `${dataDir}/blocks`,
}
