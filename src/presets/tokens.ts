import type { ServiceIdentifier } from 'inversify'
import type { Config } from '../config.ts'
import type { Clock, Random } from '../domain/ports/clock.ts'
import type { LagView } from '../domain/ports/lag-view.ts'
import type { MetadataView } from '../domain/ports/metadata-view.ts'
import type { Ingest } from '../ingest/ingest.ts'
import type { QueryPool } from '../query/query-pool.ts'
import type { Logger } from '../telemetry/log.ts'
import type { GuardedLog, Storage } from './storage.ts'

const token = <T>(name: string): ServiceIdentifier<T> => Symbol.for(`tidemark.${name}`)

/** What a preset binds; each name one port or part. */
export const Tokens = {
  Config: token<Config>('Config'),
  Logger: token<Logger>('Logger'),
  Clock: token<Clock>('Clock'),
  Random: token<Random>('Random'),
  /** What to do when the projector's thread fails. */
  OnFailure: token<(error: Error) => void>('OnFailure'),
  Storage: token<Storage>('Storage'),
  SamplesLog: token<GuardedLog>('SamplesLog'),
  Ingest: token<Ingest>('Ingest'),
  Queries: token<QueryPool>('Queries'),
  Metadata: token<MetadataView>('Metadata'),
  Lag: token<LagView>('Lag'),
}
