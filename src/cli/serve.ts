import { createServer } from 'node:net'
import { type Config, type EnginesConfig, type Flags, loadConfig } from '../config.ts'
import { formatDuration } from '../domain/duration.ts'
import { lockDataFolder } from '../engines/embedded/data-lock.ts'
import { createLogger, type Logger } from '../telemetry/log.ts'
import { CliError } from './cli-error.ts'
import { type Stop, stopSignals } from './stop-signals.ts'

/** A drain that takes longer is cut off: whoever stopped us is about to kill us. */
const DRAIN_MS_MAX = 9_500

interface Running {
  readonly address: string
  stop(): Promise<void>
}

type StartServer = (config: Config, logger: Logger) => Promise<Running>

/** Runs the server until it is told to stop, then exits with 0. @throws ConfigError, CliError, EngineError */
export async function serve(flags: Flags, version: string, startServer: StartServer = startPreset): Promise<void> {
  const config = loadConfig(flags)
  const logger = createLogger(config.logLevel)
  for (const warning of config.warnings) logger.warn(warning)
  const stop = stopSignals()
  // Told before anything is opened: a second server must not disturb the first.
  await checkPort(config)
  const lock = config.engines === null ? lockDataFolder(config.dataDir) : null
  try {
    const running = await start(config, logger, startServer)
    console.log(banner(config, version, running.address).join('\n'))
    await drain(running, await stop.first, logger)
  } finally {
    lock?.release()
    stop.ignore()
  }
  // Nothing that was forgotten, such as an idle connection, may hold up the end.
  process.exit(0)
}

async function startPreset(config: Config, logger: Logger): Promise<Running> {
  if (config.engines !== null) {
    const { startCluster } = await import('../presets/cluster.ts')
    return startCluster(config, config.engines, logger)
  }
  const { startEmbedded } = await import('../presets/embedded.ts')
  return startEmbedded(config, logger)
}

async function start(config: Config, logger: Logger, startServer: StartServer): Promise<Running> {
  try {
    return await startServer(config, logger)
  } catch (error) {
    throw asPortError(error, config) ?? error
  }
}

async function drain(running: Running, signal: Stop, logger: Logger): Promise<void> {
  const startMs = performance.now()
  logger.info({ signal }, 'stopping: no new requests, finishing the ones that run')
  const timer = setTimeout(() => {
    logger.error(`not drained within ${DRAIN_MS_MAX} ms; exiting all the same: what was acknowledged is in the log`)
    process.exit(1)
  }, DRAIN_MS_MAX)
  await running.stop()
  clearTimeout(timer)
  logger.info({ ms: Math.round(performance.now() - startMs) }, 'stopped')
}

/** @throws CliError if the port can't be had. */
async function checkPort(config: Config): Promise<void> {
  const server = createServer()
  const listened = new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: config.host, port: config.port, exclusive: true }, resolve)
  })
  try {
    await listened
  } catch (error) {
    throw asPortError(error, config) ?? error
  }
  await new Promise((resolve) => server.close(resolve))
}

/** What the operating system says of an address, for people; null if the error is about something else. */
function asPortError(error: unknown, { host, port }: Config): CliError | null {
  for (let cause = error; typeof cause === 'object' && cause !== null; cause = 'cause' in cause ? cause.cause : null) {
    const code = 'code' in cause ? cause.code : null
    if (code === 'EADDRINUSE') {
      return new CliError(
        `port ${port} of ${host} is taken: something listens there already, perhaps another tidemark; choose another with --port`,
        { cause },
      )
    }
    if (code === 'EACCES' && 'syscall' in cause && cause.syscall === 'listen') {
      return new CliError(`port ${port} of ${host} may not be used by this user; choose one above 1023 with --port`, { cause })
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      return new CliError(`${host} is no address of this machine; choose another with --host`, { cause })
    }
  }
  return null
}

/** What a newcomer needs: where to look, what to stop, where the data is, what is collected. */
export function banner(config: Config, version: string, address: string): string[] {
  return [
    `Tidemark ${version}`,
    `  open      ${address}`,
    `  process   ${process.pid}`,
    ...(config.engines === null ? [`  data      ${config.dataDir}`] : clusterLines(config, config.engines)),
    `  collects  ${collects(config)}`,
    ...(config.configFile === null ? [] : [`  config    ${config.configFile}`]),
  ]
}

function clusterLines({ roles }: Config, { kafka, cassandra }: EnginesConfig): string[] {
  return [
    `  roles     ${roles.join(', ')}`,
    `  log       Kafka at ${kafka.brokers.join(', ')}, topics ${kafka.topicPrefix}.*`,
    `  blocks    Cassandra at ${cassandra.contactPoints.join(', ')}, keyspace ${cassandra.keyspace}`,
  ]
}

function collects({ agent, selfScrape, scrape }: Config): string {
  const parts: string[] = []
  if (agent.enabled) parts.push(`this machine every ${formatDuration(agent.intervalMs)}`)
  if (selfScrape.enabled) parts.push(`itself every ${formatDuration(selfScrape.intervalMs)}`)
  if (scrape.jobs.length > 0) parts.push(`${scrape.jobs.length} scrape ${scrape.jobs.length === 1 ? 'job' : 'jobs'}`)
  return parts.length > 0 ? parts.join(', ') : 'nothing by itself: it holds what is sent to it'
}
