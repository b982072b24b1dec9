import type { Config, EnginesConfig } from '../config.ts'
import type { HeadMemory } from '../projections/series/head-memory.ts'

/** What every worker thread of the cluster preset is started with. */
export interface ClusterThreadData {
  readonly memory: HeadMemory
  readonly engines: EnginesConfig
  readonly limits: Config['limits']
  readonly logLevel: string
  /** Of the samples topic. */
  readonly generation: number
  /** The process' name, as Kafka sees it. */
  readonly processName: string
  /** The thread's own place among the readers of the head; -1 for the one that writes it. */
  readonly reader: number
}
