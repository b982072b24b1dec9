import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HostAgent } from '../collect/agent/host-agent.ts'
import { systemFiles } from '../collect/agent/procfs.ts'
import { parseScrapeConfigs, type ScrapeConfig } from '../collect/scrape/config.ts'
import { ScrapeManager } from '../collect/scrape/scrape-manager.ts'
import type { Config } from '../config.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { TargetView } from '../domain/ports/target-view.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import { HttpServer } from '../http/server.ts'
import type { Ingest } from '../ingest/ingest.ts'
import { invariant } from '../stdx/invariant.ts'
import type { Logger } from '../telemetry/log.ts'
import { embeddedContainer } from './embedded-module.ts'
import { LogRetention } from './log-retention.ts'
import { Tokens } from './tokens.ts'
import { VERSION } from './version.ts'
import { metricsText } from './views.ts'

/** Requests get so long to finish when the server stops; the rest of the ten seconds is the storage's. */
const DRAIN_MS = 4000
const PAGE_DIR = fileURLToPath(new URL('../../dist/console', import.meta.url))

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
  const agent = config.agent.enabled ? hostAgent(config, ingest, clock, logger) : null
  let graphql: GraphqlFrontDoor | null = null
  let scraping: ScrapeManager | null = null
  const targets: TargetView = { targets: () => scraping?.targets() ?? [], dropped: () => scraping?.dropped() ?? [] }
  const http = new HttpServer(
    {
      ingest,
      queries,
      metadata,
      targets,
      clock,
      logger,
      ready: () => ({ ready: storage.control.ready, reason: 'the log is being read' }),
      metricsText: () => metricsText(storage.projector),
      seal: () => storage.projector.call<number>('seal'),
      graphql: () => graphql,
      seriesCount: () => storage.control.seriesCount,
      pageDir: existsSync(PAGE_DIR) ? PAGE_DIR : null,
      version: VERSION,
      startedAtMs,
    },
    {
      host: config.host,
      port: config.port,
      tls: await readTls(config),
      security: { ...config.security, host: config.host },
      limits: config.limits,
    },
  )
  const { host, port } = await http.listen()
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
  // What is slow to load and not needed for the first samples and answers comes when the server listens already.
  const loading = loadGraphql().catch((error) => logger.error({ error: String(error) }, 'GraphQL could not be loaded'))
  agent?.start()
  scraping = new ScrapeManager({ jobs: scrapeJobs(config, port), append: ingest, clock, logger, userAgent: `Tidemark/${VERSION}` })
  await scraping.start()

  async function loadGraphql(): Promise<void> {
    const { createGraphqlFrontDoor } = await import('../graphql/front-door.ts')
    const page = `${PAGE_DIR}/graphiql.html`
    graphql = await createGraphqlFrontDoor({
      queries,
      append: ingest,
      metadata,
      lag,
      targets,
      clock,
      random,
      log: logger,
      version: VERSION,
      roles: config.roles,
      startedAtMs,
      authenticate: (token, address) => http.policy.authenticate(token, address),
      graphiqlHtml: existsSync(page) ? await readFile(page) : null,
    })
  }

  return {
    address: `${config.tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
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

function hostAgent(config: Config, append: Ingest, clock: Clock, logger: Logger): HostAgent {
  return new HostAgent({
    files: systemFiles,
    append,
    clock,
    logger,
    intervalMs: config.agent.intervalMs,
    labels: { job: 'node', instance: hostname() },
  })
}

/** Jobs of the configuration, and the one that scrapes this server itself. */
function scrapeJobs(config: Config, port: number): readonly ScrapeConfig[] {
  if (!config.selfScrape.enabled) return config.scrape.jobs
  const host = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host
  const token = config.security.tokens.find(({ scopes }) => scopes.includes('read'))?.token
  const self = {
    job_name: 'tidemark',
    static_configs: [{ targets: [`${host.includes(':') ? `[${host}]` : host}:${port}`] }],
    // A certificate for other names is no reason not to look at oneself.
    ...(config.tls !== null && { scheme: 'https', tls_config: { insecure_skip_verify: true } }),
    ...(token !== undefined && { authorization: { credentials: token } }),
  }
  const { intervalMs } = config.selfScrape
  const parsed = parseScrapeConfigs([self], { scrapeIntervalMs: intervalMs, scrapeTimeoutMs: Math.min(intervalMs, 10_000) })
  invariant('jobs' in parsed, 'the job that scrapes the server itself is valid')
  return [...config.scrape.jobs, ...parsed.jobs]
}

async function readTls(config: Config): Promise<{ cert: string; key: string } | null> {
  if (config.tls === null) return null
  const [cert, key] = await Promise.all([readFile(config.tls.certFile, 'utf8'), readFile(config.tls.keyFile, 'utf8')])
  return { cert, key }
}
