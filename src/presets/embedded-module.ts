import 'reflect-metadata'
import { Container, ContainerModule } from 'inversify'
import type { Config } from '../config.ts'
import { SystemClock, SystemRandom } from '../engines/system-clock.ts'
import { Ingest } from '../ingest/ingest.ts'
import type { Logger } from '../telemetry/log.ts'
import { GuardedLog, openStorage, startQueries } from './storage.ts'
import { Tokens } from './tokens.ts'
import { EmbeddedLagView, ProjectedMetadata } from './views.ts'

/** One process on files: which engine stands behind each port. */
const embedded = new ContainerModule(({ bind }) => {
  bind(Tokens.Clock).toConstantValue(new SystemClock())
  bind(Tokens.Random).toConstantValue(new SystemRandom())
  bind(Tokens.Storage).toResolvedValue(openStorage, [Tokens.Config, Tokens.Clock, Tokens.Logger, Tokens.OnFailure]).inSingletonScope()
  bind(Tokens.SamplesLog)
    .toResolvedValue((storage, clock) => new GuardedLog(storage, clock), [Tokens.Storage, Tokens.Clock])
    .inSingletonScope()
  bind(Tokens.Queries).toResolvedValue(startQueries, [Tokens.Config, Tokens.Storage, Tokens.Clock, Tokens.Logger]).inSingletonScope()
  bind(Tokens.Ingest)
    .toResolvedValue(
      (log, clock, random, { limits }) => new Ingest({ log, clock, random, limits }),
      [Tokens.SamplesLog, Tokens.Clock, Tokens.Random, Tokens.Config],
    )
    .inSingletonScope()
  bind(Tokens.Metadata)
    .toResolvedValue(({ projector }) => new ProjectedMetadata(projector), [Tokens.Storage])
    .inSingletonScope()
  bind(Tokens.Lag)
    .toResolvedValue(({ log, control }) => new EmbeddedLagView(log, control), [Tokens.Storage])
    .inSingletonScope()
})

/** The parts of one process, ready to be asked for. */
export function embeddedContainer(config: Config, logger: Logger, onFailure: (error: Error) => void): Container {
  const container = new Container()
  container.bind(Tokens.Config).toConstantValue(config)
  container.bind(Tokens.Logger).toConstantValue(logger)
  container.bind(Tokens.OnFailure).toConstantValue(onFailure)
  container.load(embedded)
  return container
}
