import { setTimeout as delay } from 'node:timers/promises'
import { ScrapeManager } from '../collect/scrape/scrape-manager.ts'
import type { Config } from '../config.ts'
import type { TargetView } from '../domain/ports/target-view.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import { HttpServer } from '../http/server.ts'
import type { Logger } from '../telemetry/log.ts'
import { hostAgent, selfScrapeJobs } from './collecting.ts'
import { embeddedContainer } from './embedded-module.ts'
import { addressOf, DRAIN_MS, httpOptions, loadGraphql, pageDir } from './listening.ts'
import { LogRetention } from './log-retention.ts'
import { Tokens } from './tokens.ts'
import { VERSION } from './version.ts'
import { metricsText } from './views.ts'

/** The whole system in one process, on files in the data folder. Resolves when it answers. */
export async function startEmbedded(config: Config, logger: Logger): Promise<{ address: string; stop(): Promise<void> }> {
  const container = embeddedContainer(config, logger, (error) => {
    // Without its projector nothing new would be answered: better to end, and be started again.
    logger.error({ error: String(error) }, 'the projector has failed; the server ends')
    process.exit(1)
  })
  const clock = container.get(Tokens.Clock)
  const random = container.get(Tokens.Random)
  const startedAtMs = clock.nowMs()
  const storage = await container.getAsync(Tokens.Storage)
  const [guard, queries, ingest, metadata, lag] = await Promise.all([
    container.getAsync(Tokens.SamplesLog),
    container.getAsync(Tokens.Queries),
    container.getAsync(Tokens.Ingest),
    container.getAsync(Tokens.Metadata),
    container.getAsync(Tokens.Lag),
  ])
  const agent = hostAgent(config, ingest, clock, logger)
  let graphql: GraphqlFrontDoor | null = null
  let scraping: ScrapeManager | null = null
  const targets: TargetView = { targets: () => scraping?.targets() ?? [], dropped: () => scraping?.dropped() ?? [] }
  const http = new HttpServer(
    {
      roles: config.roles,
      ingest,
      queries,
      metadata,
      targets,
      clock,
      logger,
      ready: () => ({ ready: storage.control.ready, reason: 'the log is being read' }),
      metricsText: () => metricsText([storage.projector]),
      seal: () => storage.projector.call<number>('seal'),
      graphql: () => graphql,
      seriesCount: () => storage.control.seriesCount,
      pageDir: pageDir(),
      version: VERSION,
      startedAtMs,
    },
    await httpOptions(config),
  )
  const bound = await http.listen()
  const ending = new AbortController()
  const retention = new LogRetention({
    log: storage.log,
    guard,
    projector: storage.projector,
    clock,
    logger,
    retentionMs: config.limits.logRetentionMs,
    bytesMax: config.limits.logBytesMax,
  }).run(ending.signal)
  const authenticate = (token: string, address: string) => http.policy.authenticate(token, address)
  const { roles } = config
  const loading = loadGraphql({
    queries,
    append: ingest,
    metadata,
    lag,
    targets,
    clock,
    random,
    log: logger,
    version: VERSION,
    roles,
    startedAtMs,
    authenticate,
  }).then(
    (loaded) => {
      graphql = loaded
    },
    (error) => logger.error({ error: String(error) }, 'GraphQL could not be loaded'),
  )
  agent?.start()
  const jobs = [...config.scrape.jobs, ...selfScrapeJobs(config, bound.port)]
  scraping = new ScrapeManager({ jobs, append: ingest, clock, logger, userAgent: `Tidemark/${VERSION}` })
  await scraping.start()

  return {
    address: addressOf(config, bound),
    async stop() {
      await Promise.all([agent?.stop(), scraping?.stop()])
      await loading
      await graphql?.close()
      await http.close(DRAIN_MS)
      ending.abort()
      await retention
      await queries.close()
      await storage.projector.stop()
      await storage.log.close()
    },
  }
}

/** Seals every bucket of a data folder that no server has open: `tidemark seal --data`. */
export async function sealStopped(config: Config, logger: Logger): Promise<void> {
  const failed = Promise.withResolvers<never>()
  const storage = await embeddedContainer(config, logger, failed.reject).getAsync(Tokens.Storage)
  const seal = async () => {
    while (!storage.control.ready) await delay(10)
    await storage.projector.call('seal')
  }
  await Promise.race([seal(), failed.promise])
  await storage.projector.stop()
  await storage.log.close()
}
