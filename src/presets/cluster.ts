import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { setImmediate } from 'node:timers/promises'
import { LogMembership } from '../collect/ring/log-membership.ts'
import { RingShare } from '../collect/ring/target-share.ts'
import { ScrapeManager } from '../collect/scrape/scrape-manager.ts'
import type { Config, EnginesConfig } from '../config.ts'
import { EngineError } from '../domain/errors.ts'
import type { ClusterFormed } from '../domain/events/cluster-formed.ts'
import { MEMBERSHIP_TOPIC, SAMPLES_TOPIC } from '../domain/events/topics.ts'
import type { AppendSamples } from '../domain/ports/append-samples.ts'
import type { Clock, Random } from '../domain/ports/clock.ts'
import type { MetadataView } from '../domain/ports/metadata-view.ts'
import type { TargetView } from '../domain/ports/target-view.ts'
import { KafkaEventLog } from '../engines/kafka/kafka-event-log.ts'
import { SystemClock, SystemRandom } from '../engines/system-clock.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import { HttpServer } from '../http/server.ts'
import { Ingest } from '../ingest/ingest.ts'
import { Control } from '../projections/series/control.ts'
import { allocateHeadMemory } from '../projections/series/head-memory.ts'
import { QueryPool } from '../query/query-pool.ts'
import type { Logger } from '../telemetry/log.ts'
import { checkCluster, migrateCluster } from './cluster-check.ts'
import type { ClusterThreadData } from './cluster-threads.ts'
import { ClusterLagView } from './cluster-views.ts'
import { hostAgent, selfScrapeJobs } from './collecting.ts'
import { HeadFreshness } from './freshness.ts'
import { headLimits } from './head-limits.ts'
import { addressOf, DRAIN_MS, httpOptions, loadGraphql, pageDir } from './listening.ts'
import { ServiceThread } from './service-thread.ts'
import { workerFile } from './threads.ts'
import { VERSION } from './version.ts'
import { metricsText, ProjectedMetadata } from './views.ts'

/** Makes or updates keyspace, tables and topics: `tidemark migrate`. */
export function migrate(config: Config, engines: EnginesConfig, logger: Logger): Promise<ClusterFormed> {
  return migrateCluster({ engines, partitions: config.partitions, clock: new SystemClock(), logger })
}

/** One process of many, on Kafka and Cassandra, with the roles of its configuration. Resolves when it listens. */
export async function startCluster(
  config: Config,
  engines: EnginesConfig,
  logger: Logger,
): Promise<{ address: string; stop(): Promise<void> }> {
  const running = new ClusterProcess(config, engines, logger)
  await running.start()
  return running
}

class ClusterProcess {
  address = ''
  readonly #config: Config
  readonly #engines: EnginesConfig
  readonly #logger: Logger
  readonly #clock: Clock = new SystemClock()
  readonly #random: Random = new SystemRandom()
  readonly #name = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`
  readonly #threads: ServiceThread[] = []
  /** What is ended, one after another, when the process stops. */
  readonly #stops: (() => Promise<unknown>)[] = []
  #ready: () => boolean = () => true

  constructor(config: Config, engines: EnginesConfig, logger: Logger) {
    this.#config = config
    this.#engines = engines
    this.#logger = logger
  }

  async start(): Promise<void> {
    const { roles } = this.#config
    const has = (...some: readonly string[]) => some.some((role) => (roles as readonly string[]).includes(role))
    const parts = { engines: this.#engines, clock: this.#clock, logger: this.#logger }
    const cluster = await checkCluster({ ...parts, partitions: this.#config.partitions })
    const startedAtMs = this.#clock.nowMs()
    const projector = has('project') ? this.#startProjector(cluster) : null
    const answering = has('query') ? this.#startAnswering(cluster) : null
    const ingest = has('ingest', 'collect') ? await this.#startIngest(cluster) : null
    let graphql: GraphqlFrontDoor | null = null
    let scraping: ScrapeManager | null = null
    const targets: TargetView | null = has('collect')
      ? { targets: () => scraping?.targets() ?? [], dropped: () => scraping?.dropped() ?? [] }
      : null
    const http = new HttpServer(
      {
        roles,
        ingest: has('ingest') ? ingest : null,
        queries: answering?.queries ?? null,
        metadata: answering?.metadata ?? nothing,
        targets,
        clock: this.#clock,
        logger: this.#logger,
        ready: () => ({ ready: this.#ready(), reason: 'the log is being read' }),
        metricsText: () => metricsText(this.#threads),
        seal: projector === null ? null : () => projector.call<number>('seal'),
        graphql: () => graphql,
        seriesCount: () => answering?.control.seriesCount ?? 0,
        pageDir: answering === null ? null : pageDir(),
        version: VERSION,
        startedAtMs,
      },
      await httpOptions(this.#config),
    )
    const bound = await http.listen()
    this.address = addressOf(this.#config, bound)
    this.#stops.push(() => http.close(DRAIN_MS))
    if (answering !== null) {
      graphql = await loadGraphql({
        queries: answering.queries,
        append: ingest ?? NO_INGEST,
        metadata: answering.metadata,
        lag: answering.lag,
        targets,
        clock: this.#clock,
        random: this.#random,
        log: this.#logger,
        version: VERSION,
        roles,
        startedAtMs,
        authenticate: (token, address) => http.policy.authenticate(token, address),
      })
      this.#stops.push(() => graphql!.close())
    }
    if (has('collect') && ingest !== null) scraping = await this.#startCollecting(ingest, bound.port)
  }

  /** In the reverse order of starting: nothing new comes in, what is under way is finished, then what it stood on goes. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.reverse()) await stop()
  }

  #startProjector(cluster: ClusterFormed): ServiceThread {
    const data = this.#threadData(cluster, 0)
    const thread = this.#startThread('cluster-projector-worker', data)
    const control = new Control(data.memory.control)
    this.#alsoReady(() => control.ready)
    return thread
  }

  #startAnswering(cluster: ClusterFormed) {
    const { queryWorkers, limits } = this.#config
    const data = this.#threadData(cluster, queryWorkers)
    const control = new Control(data.memory.control)
    const thread = this.#startThread('tailing-head-worker', data)
    this.#alsoReady(() => control.ready)
    const freshness = new HeadFreshness(control, this.#clock, cluster.partitions, cluster.generation)
    const queries = new QueryPool({
      entry: workerFile('cluster-query-worker'),
      workers: queryWorkers,
      start: (reader) => ({ workerData: { ...data, reader } }),
      clock: this.#clock,
      logger: this.#logger,
      freshness,
      timeoutMs: limits.queryTimeoutMs,
    })
    this.#stops.push(() => queries.close())
    const lag = new ClusterLagView(SAMPLES_TOPIC, control, thread)
    return { control, queries, lag, metadata: new ProjectedMetadata(thread) satisfies MetadataView }
  }

  async #startIngest(cluster: ClusterFormed): Promise<Ingest> {
    const { limits } = this.#config
    const log = await this.#openLog(SAMPLES_TOPIC, cluster, limits.appendBytesInFlightMax)
    return new Ingest({ log, clock: this.#clock, random: this.#random, limits, later: () => setImmediate() })
  }

  async #startCollecting(ingest: Ingest, port: number): Promise<ScrapeManager> {
    const config = this.#config
    const membershipLog = await this.#openLog(MEMBERSHIP_TOPIC, { generation: 1 }, 2 ** 20)
    const membership = new LogMembership({ log: membershipLog, name: this.#name, clock: this.#clock, logger: this.#logger })
    const leaving = new AbortController()
    const share = new RingShare(this.#name)
    const following = share.follow(membership, leaving.signal).catch((error: unknown) => this.#fail('membership of the collectors', error))
    const jobs = config.scrape.jobs
    const parts = { append: ingest, clock: this.#clock, logger: this.#logger, userAgent: `Tidemark/${VERSION}` }
    const scraping = new ScrapeManager({ ...parts, jobs, share })
    // Itself is scraped by every process, whoever else there is.
    const own = new ScrapeManager({ ...parts, jobs: selfScrapeJobs(config, port) })
    const agent = hostAgent(config, ingest, this.#clock, this.#logger)
    agent?.start()
    await Promise.all([scraping.start(), own.start()])
    this.#stops.push(async () => {
      // Good-bye first: the others take over at once, while the scrapes that are under way here are finished.
      leaving.abort()
      await following
      await Promise.all([agent?.stop(), scraping.stop(), own.stop()])
    })
    return scraping
  }

  async #openLog(topic: string, { generation }: { generation: number }, bytesInFlightMax: number): Promise<KafkaEventLog> {
    const log = await KafkaEventLog.open({
      settings: this.#engines.kafka,
      topic,
      generation,
      clientId: this.#name,
      clock: this.#clock,
      logger: this.#logger,
      bytesInFlightMax,
    })
    this.#stops.push(() => log.close())
    return log
  }

  #threadData({ partitions, generation }: ClusterFormed, readers: number): ClusterThreadData {
    const { limits, logLevel } = this.#config
    const memory = allocateHeadMemory(
      headLimits({ partitions, readers, headBytesMax: limits.headBytesMax, indexSeriesMax: limits.indexSeriesMax }),
    )
    return { memory, engines: this.#engines, limits, logLevel, generation, processName: this.#name, reader: -1 }
  }

  #startThread(name: string, data: ClusterThreadData): ServiceThread {
    const thread = new ServiceThread(name, data, (error) => this.#fail(`the thread ${name}`, error))
    this.#threads.push(thread)
    this.#stops.push(() => thread.stop())
    return thread
  }

  /** Better to end, and be started again, than to go on with a part that stands still. */
  #fail(what: string, error: unknown): never {
    this.#logger.error({ error: String(error) }, `${what} has failed; the process ends`)
    process.exit(1)
  }

  #alsoReady(isReady: () => boolean): void {
    const before = this.#ready
    this.#ready = () => before() && isReady()
  }
}

const nothing: MetadataView = { metadata: async () => [] }

const NO_INGEST: AppendSamples = {
  appendSamples: async () => {
    throw new EngineError('NOT_HERE', 'this process takes no samples: push to one with the role ingest', { retryable: false })
  },
}
