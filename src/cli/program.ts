import { readFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { ConfigError, clientDefaults, type Flags } from '../config.ts'
import { parseDuration } from '../domain/duration.ts'
import { EngineError } from '../domain/errors.ts'
import { CliError } from './cli-error.ts'

/** Runs one command line (without `node` and the script) to its end; exits with 1 if it fails. */
export async function runCli(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CliError || error instanceof EngineError) {
      for (const line of error.message.split('\n')) console.error(`tidemark: ${line}`)
      // Threads of a server that came up only half would keep the process alive.
      process.exit(1)
    }
    throw error
  }
}

export function createProgram(): Command {
  const program = new Command('tidemark')
    .description('Event-sourced metrics monitoring and alerting backend, exposed through GraphQL and the Prometheus HTTP API.')
    .version(readVersion(), '-V, --version', 'print the version and exit')
    .helpCommand(false)
    .showHelpAfterError('(tidemark --help explains the commands, tidemark COMMAND --help their flags)')
  program.addCommand(serveCommand())
  program.addCommand(queryCommand())
  program.addCommand(sealCommand())
  program.addCommand(migrateCommand())
  program.addCommand(agentCommand())
  return program
}

export function readVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}

/** Flags win over the environment, that over the file: so none of them has a default here; the help text names it. */
function serveCommand(): Command {
  return new Command('serve')
    .description(
      'Run the server. Without a configuration it collects nothing: it holds exactly what is sent to it. ' +
        'Flags win over environment variables (TIDEMARK_PORT, TIDEMARK_LIMITS_RAW_RETENTION, ...), those over the file.',
    )
    .option('--config <file>', 'YAML file with the whole configuration (default: none; environment: TIDEMARK_CONFIG)')
    .option('--host <address>', 'address to listen on; one that other machines can reach demands a token (default: 127.0.0.1)')
    .option('--port <number>', 'port to listen on, 0 for any free one (default: 4000)')
    .option(
      '--data <folder>',
      'folder that holds all data; made if it is absent, used by one server at a time; unused with engines.kafka (default: ./data)',
    )
    .option(
      '--roles <list>',
      'what this process does, separated by commas: collect, ingest, project, evaluate, notify, tier, query (default: all)',
    )
    .option('--log-level <level>', 'debug, info, warn, error or silent; lines of JSON on standard error (default: info)')
    .option(
      '--partitions <number>',
      'partitions of the event log, fixed when the data folder or the cluster is made (default: 4, in a cluster 16)',
    )
    .option('--query-workers <number>', 'threads that answer queries (default: 2)')
    .action(async (flags: Flags) => {
      const { serve } = await import('./serve.ts')
      await serve(flags, readVersion())
    })
}

function queryCommand(): Command {
  return withClientOptions(new Command('query'))
    .description('Evaluate a PromQL expression on a running server and print the answer.')
    .argument('<expr>', 'PromQL expression, for example: sum by (mode) (rate(node_cpu_seconds_total[1m]))')
    .option('--time <time>', 'when to evaluate: RFC 3339, Unix seconds, or a time ago as -5m (default: now)')
    .option('--start <time>', 'begin of a range query; needs --step or takes one that gives about 100 points')
    .option('--end <time>', 'end of a range query (default: now)')
    .option('--step <duration>', 'distance of a range query’s points, such as 15s')
    .addOption(new Option('--format <format>', 'how to print').choices(['table', 'json']).default('table'))
    .action(async (expr: string, options: QueryFlags) => {
      const { query } = await import('./query.ts')
      await query(expr, options)
    })
}

function sealCommand(): Command {
  return withClientOptions(new Command('seal'))
    .description(
      'Bring all samples into their final form on disk now, open buckets included. Asks a running server, or with --data works on the folder of a stopped one.',
    )
    .option('--data <folder>', 'data folder of a server that is not running (default: none, ask the server at --url)')
    .option('--config <file>', 'with --data: the configuration that the server runs with (default: none)')
    .action(async (options: ClientFlags & { data?: string; config?: string }) => {
      const { seal } = await import('./seal.ts')
      await seal(options)
    })
}

function migrateCommand(): Command {
  return new Command('migrate')
    .description(
      'Make what a cluster stands on, or bring it up to date: keyspace and tables in Cassandra, topics in Kafka. May be run again at any time; run it before the first process and with each new version.',
    )
    .option('--config <file>', 'YAML file with engines.kafka and engines.cassandra (default: none; environment: TIDEMARK_CONFIG)')
    .option('--partitions <number>', 'partitions of the samples topic of a new cluster, fixed from then on (default: 16)')
    .action(async (options: { config?: string; partitions?: string }) => {
      const { migrate } = await import('./migrate.ts')
      await migrate(options)
    })
}

function agentCommand(): Command {
  return withClientOptions(new Command('agent'))
    .description('Collect CPU, memory, load, disks, network and filesystems of this machine and push them to a server.')
    .addOption(new Option('--interval <duration>', 'how often to collect').argParser(parseInterval).default(10_000, '10s'))
    .option('--instance <name>', 'value of the instance label (default: this machine’s host name)')
    .action(async (options: ClientFlags & { interval: number; instance?: string }) => {
      const { agent } = await import('./agent.ts')
      await agent(options)
    })
}

export interface ClientFlags {
  readonly url: string
  readonly token?: string
}

export interface QueryFlags extends ClientFlags {
  readonly time?: string
  readonly start?: string
  readonly end?: string
  readonly step?: string
  readonly format: 'table' | 'json'
}

function withClientOptions(command: Command): Command {
  const { url, token } = clientDefaults()
  const withUrl = command.option('--url <url>', 'the server (environment: TIDEMARK_URL)', parseUrl, url)
  const option = new Option(
    '--token <token>',
    'token to show to the server; better set by TIDEMARK_TOKEN, where other users can’t read it (default: none)',
  )
  // Commander would print a default: the secret.
  return withUrl.addOption(option).hook('preAction', (_, action) => {
    if (action.getOptionValue('token') === undefined && token !== null) action.setOptionValue('token', token)
  })
}

function parseUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:/.test(text)) throw new InvalidArgumentError('expected a URL such as http://127.0.0.1:4000')
  return text.replace(/\/+$/, '')
}

function parseInterval(text: string): number {
  const ms = parseDuration(text)
  if (ms === null || ms < 100) throw new InvalidArgumentError('expected a duration of at least 100ms, such as 10s')
  return ms
}
