import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HostAgent } from '../collect/agent/host-agent.ts'
import { systemFiles } from '../collect/agent/procfs.ts'
import { parseScrapeConfigs } from '../collect/scrape/config.ts'
import { ScrapeManager } from '../collect/scrape/scrape-manager.ts'
import { type Config, ConfigError } from '../config.ts'
import type { Clock } from '../domain/ports/clock.ts'
import { SystemClock, SystemRandom } from '../engines/system-clock.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import { HttpServer } from '../http/server.ts'
import { Ingest } from '../ingest/ingest.ts'
import type { Logger } from '../telemetry/log.ts'
import { LogRetention } from './log-retention.ts'
import { GuardedLog, openStorage, startQueries } from './storage.ts'
import { VERSION } from './version.ts'
import { EmbeddedLagView, metricsText, ProjectedMetadata } from './views.ts'

/** Requests get so long to finish when the server stops; the rest of the ten seconds is the storage's. */
const DRAIN_MS = 4000
const PAGE_DIR = fileURLToPath(new URL('../../dist/console', import.meta.url))

/** The whole system in one process, on files in the data folder. Resolves when it answers. */
export async function startEmbedded(config: Config, logger: Logger): Promise<{ address: string; stop(): Promise<void> }> {
  const jobs = scrapeJobs(config)
  const clock = new SystemClock()
  const random = new SystemRandom()
  const startedAtMs = clock.nowMs()
  const storage = await openStorage(config, clock, logger, (error) => {
    // Without its projector nothing new would be answered: better to end, and be started again.
    logger.error({ error: String(error) }, 'the projector has failed; the server ends')
    process.exit(1)
  })
  const guard = new GuardedLog(storage, clock)
  const queries = startQueries(config, storage, clock, logger)
  const ingest = new Ingest({ log: guard, clock, random, limits: config.limits })
  const metadata = new ProjectedMetadata(storage.projector)
  const lag = new EmbeddedLagView(storage.log, storage.control)
  const scraping = new ScrapeManager({ jobs, append: ingest, clock, logger, userAgent: `Tidemark/${VERSION}` })
  const agent = config.agent.enabled ? hostAgent(config, ingest, clock, logger) : null
  let graphql: GraphqlFrontDoor | null = null
  const http = new HttpServer(
    {
      ingest,
      queries,
      metadata,
      targets: scraping,
      clock,
      logger,
      ready: () => ({ ready: storage.control.ready, reason: 'the log is being read' }),
      metricsText: () => metricsText(storage.projector),
      seal: () => storage.projector.call('seal'),
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
  await scraping.start()

  async function loadGraphql(): Promise<void> {
    const { createGraphqlFrontDoor } = await import('../graphql/front-door.ts')
    const page = `${PAGE_DIR}/graphiql.html`
    graphql = await createGraphqlFrontDoor({
      queries,
      append: ingest,
      metadata,
      lag,
      targets: scraping,
      clock,
      random,
      log: logger,
      version: VERSION,
      roles: config.roles,
      startedAtMs,
      authenticate: (token) => http.policy.authenticate(token),
      graphiqlHtml: existsSync(page) ? await readFile(page) : null,
    })
  }

  return {
    address: `${config.tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async stop() {
      await Promise.all([agent?.stop(), scraping.stop()])
      await loading
      await graphql?.close()
      await http.close(DRAIN_MS)
      ending.abort()
      await retention
      await queries.close()
      await storage.projector.stop(true)
      await storage.log.close()
    },
  }
}

/** Seals every bucket of a data folder that no server has open: `tidemark seal --data`. */
export async function sealStopped(config: Config, logger: Logger): Promise<void> {
  const failed = Promise.withResolvers<never>()
  const storage = await openStorage(config, new SystemClock(), logger, failed.reject)
  const seal = async () => {
    while (!storage.control.ready) await delay(10)
    await storage.projector.call('seal')
  }
  await Promise.race([seal(), failed.promise])
  await storage.projector.stop(true)
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

/** Jobs of the configuration, and the one that scrapes this server itself. @throws ConfigError */
function scrapeJobs(config: Config) {
  const { configs, positions, scrapeIntervalMs, scrapeTimeoutMs } = config.scrape
  const parsed = parseScrapeConfigs(configs, { scrapeIntervalMs, scrapeTimeoutMs })
  if ('issues' in parsed) {
    throw new ConfigError(
      parsed.issues.map(({ path, message }) => {
        const at = positions[path.join('.')] ?? positions[path.slice(0, -1).join('.')] ?? positions['']
        return `${config.configFile ?? 'configuration'}${at === undefined ? '' : `:${at[0]}:${at[1]}`}: scrape_configs.${path.join('.')}: ${message}`
      }),
    )
  }
  if (!config.selfScrape.enabled) return parsed.jobs
  const address = `${config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host}:${config.port}`
  const self = {
    job_name: 'tidemark',
    scheme: config.tls === null ? 'http' : 'https',
    ...(config.tls !== null && { tls_config: { insecure_skip_verify: true } }),
    ...(config.security.tokens.length > 0 && {
      authorization: { credentials: config.security.tokens.find(({ scopes }) => scopes.includes('read'))?.token ?? '' },
    }),
    static_configs: [{ targets: [address] }],
  }
  const own = parseScrapeConfigs([self], {
    scrapeIntervalMs: config.selfScrape.intervalMs,
    scrapeTimeoutMs: Math.min(config.selfScrape.intervalMs, 10_000),
  })
  if ('issues' in own) throw new ConfigError(own.issues.map(({ message }) => `self_scrape: ${message}`))
  return [...parsed.jobs, ...own.jobs]
}

async function readTls(config: Config): Promise<{ cert: string; key: string } | null> {
  if (config.tls === null) return null
  const [cert, key] = await Promise.all([readFile(config.tls.certFile, 'utf8'), readFile(config.tls.keyFile, 'utf8')])
  return { cert, key }
}
