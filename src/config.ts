import { readFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { z } from 'zod'
import { parseScrapeConfigs, type ScrapeConfig } from './collect/scrape/config.ts'
import { ConfigError } from './config/config-error.ts'
import { type EnginesConfig, enginesOf } from './config/engines.ts'
import { environmentPaths, type FileSettings, fileSchema, type LogLevel, type Role, type Scope, scopes } from './config/schema.ts'
import { isToken, nearest } from './config/values.ts'
import { type Path, readYaml, type YamlFile } from './config/yaml-file.ts'
import { limits } from './domain/limits.ts'

export { ConfigError } from './config/config-error.ts'
export type { EnginesConfig } from './config/engines.ts'
export type { LogLevel, Role, Scope } from './config/schema.ts'

/** domain/limits.ts with what the configuration changes. */
export type Limits = { readonly [Name in keyof typeof limits]: number }

export interface TokenConfig {
  readonly name: string
  /** The secret itself; from `token_file` it is read at start. Never logged. */
  readonly token: string
  readonly scopes: readonly Scope[]
  /** The token is good only from these ranges; empty: from anywhere. */
  readonly cidrs: readonly string[]
}

/** Everything that can be set: validated, plain data (fit for a worker thread), deep frozen. Relative paths are already resolved. */
export interface Config {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  readonly dataDir: string
  readonly roles: readonly Role[]
  readonly logLevel: LogLevel
  /** Of the event log. null: not said; 4 for a data folder, 16 for a cluster that is being made, and for one that stands what it has. */
  readonly partitions: number | null
  readonly queryWorkers: number
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  /** null: everything stands in the data folder. */
  readonly engines: EnginesConfig | null
  readonly security: {
    readonly tokens: readonly TokenConfig[]
    /** Ranges that samples may come from (loopback always may); empty: any, if their token is good. */
    readonly senders: readonly string[]
    readonly allowedOrigins: readonly string[]
    /** Names by which browsers may reach this server, besides loopback and `host`. */
    readonly allowedHosts: readonly string[]
  }
  readonly limits: Limits
  readonly agent: { readonly enabled: boolean; readonly intervalMs: number }
  readonly selfScrape: { readonly enabled: boolean; readonly intervalMs: number }
  readonly scrape: {
    readonly scrapeIntervalMs: number
    readonly scrapeTimeoutMs: number
    readonly evaluationIntervalMs: number
    readonly externalLabels: Readonly<Record<string, string>>
    /** `scrape_configs`, validated, their defaults filled in. */
    readonly jobs: readonly ScrapeConfig[]
  }
  /** The file that was read, as it was named; relative paths in it are relative to its folder. */
  readonly configFile: string | null
  /** What is odd and was ignored; said once at start. */
  readonly warnings: readonly string[]
}

/** Flags as they were typed. */
export interface Flags {
  readonly config?: string
  readonly host?: string
  readonly port?: string
  readonly data?: string
  readonly roles?: string
  readonly logLevel?: string
  readonly partitions?: string
  readonly queryWorkers?: string
}

type Environment = Readonly<Record<string, string | undefined>>

const flagPaths: Readonly<Record<Exclude<keyof Flags, 'config'>, { path: string; name: string }>> = {
  host: { path: 'host', name: '--host' },
  port: { path: 'port', name: '--port' },
  data: { path: 'data_dir', name: '--data' },
  roles: { path: 'roles', name: '--roles' },
  logLevel: { path: 'log_level', name: '--log-level' },
  partitions: { path: 'partitions', name: '--partitions' },
  queryWorkers: { path: 'query_workers', name: '--query-workers' },
}

/** Used by the tests, the shell and the clients of a server, and no settings of the server. */
const otherVariables = [
  'TIDEMARK_CONFIG',
  'TIDEMARK_TOKEN',
  'TIDEMARK_URL',
  'TIDEMARK_REQUIRE_ALL',
  'TIDEMARK_TOOLS',
  'TIDEMARK_PROMQLTEST',
]

/**
 * Flags win over the environment (TIDEMARK_*), that over the YAML file, that over the defaults.
 * @throws ConfigError
 */
export function loadConfig(flags: Flags = {}, environment: Environment = process.env): Config {
  const fileName = flags.config ?? environment.TIDEMARK_CONFIG
  const file = fileName === undefined ? null : readYaml(fileName, readText(fileName, 'configuration file'))
  // Where each value came from that the file does not have: its path -> "--port" or "TIDEMARK_PORT".
  const origins = new Map<string, string>()
  const raw = dropEmpty(file?.value ?? {})
  const warnings: string[] = []
  if (isRecord(raw)) overlay(raw, flags, environment, origins, warnings)
  const parsed = fileSchema.safeParse(raw)
  const place = (path: Path, part: 'key' | 'value' = 'value') => placeOf(file, origins, path, part)
  if (!parsed.success) throw new ConfigError(parsed.error.issues.flatMap((issue) => describeIssue(issue, place)).slice(0, 20))
  const inFile = (path: string) =>
    file !== null && !origins.has(path) && (path !== 'data_dir' || (isRecord(raw) && raw.data_dir !== undefined))
  const base = (path: string) => (file !== null && inFile(path) ? dirname(resolve(file.name)) : process.cwd())
  const config = assemble(parsed.data, { file, environment, base, place, warnings })
  return deepFreeze(config)
}

/** What the commands that talk to a running server take from the environment. */
export function clientDefaults(environment: Environment = process.env): { url: string; token: string | null } {
  return { url: environment.TIDEMARK_URL || 'http://127.0.0.1:4000', token: environment.TIDEMARK_TOKEN || null }
}

/** Whether only this machine can reach a host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

function overlay(
  raw: Record<string, unknown>,
  flags: Flags,
  environment: Environment,
  origins: Map<string, string>,
  warnings: string[],
): void {
  const known = new Map<string, string>(environmentPaths.map((path) => [`TIDEMARK_${path.replaceAll('.', '_').toUpperCase()}`, path]))
  known.set('TIDEMARK_DATA', 'data_dir')
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('TIDEMARK_') || value === undefined || value === '' || otherVariables.includes(name)) continue
    const path = known.get(name)
    if (path === undefined) {
      const meant = nearest(name, [...known.keys()])
      warnings.push(`environment variable ${name} is not a setting of Tidemark${meant === null ? '' : `; did you mean ${meant}?`}`)
    } else if (put(raw, path.split('.'), value)) {
      origins.set(path, name)
    }
  }
  for (const [flag, { path, name }] of Object.entries(flagPaths)) {
    const value = flags[flag as keyof typeof flagPaths]
    if (value !== undefined && put(raw, path.split('.'), value)) origins.set(path, name)
  }
}

/** False if something stands in the way that is no mapping; the schema reports that. */
function put(into: Record<string, unknown>, path: readonly string[], value: string): boolean {
  const [first, ...rest] = path
  if (first === undefined) return false
  if (rest.length === 0) {
    into[first] = value
    return true
  }
  into[first] ??= {}
  const next = into[first]
  return isRecord(next) && put(next, rest, value)
}

interface Context {
  readonly file: YamlFile | null
  readonly environment: Environment
  readonly base: (path: string) => string
  readonly place: (path: Path, part?: 'key' | 'value') => string
  readonly warnings: string[]
}

function assemble(settings: FileSettings, context: Context): Config {
  const { file, base, place } = context
  const absolute = (path: string, value: string) => (isAbsolute(value) ? value : join(base(path), value))
  const { scrape_interval: scrapeIntervalMs, scrape_timeout: timeoutMs } = settings.global
  const config: Config = {
    host: settings.host,
    port: settings.port,
    dataDir: absolute('data_dir', settings.data_dir),
    roles: [...new Set(settings.roles)],
    logLevel: settings.log_level,
    partitions: settings.partitions ?? null,
    queryWorkers: settings.query_workers,
    tls: settings.tls
      ? { certFile: absolute('tls.cert_file', settings.tls.cert_file), keyFile: absolute('tls.key_file', settings.tls.key_file) }
      : null,
    engines: enginesOf(settings.engines, { place, absolute }),
    security: {
      tokens: tokensOf(settings, context),
      senders: settings.security.senders,
      allowedOrigins: settings.security.allowed_origins,
      allowedHosts: settings.security.allowed_hosts,
    },
    limits: limitsOf(settings.limits),
    agent: { enabled: settings.agent.enabled, intervalMs: settings.agent.interval },
    selfScrape: { enabled: settings.self_scrape.enabled, intervalMs: settings.self_scrape.interval },
    scrape: {
      scrapeIntervalMs,
      scrapeTimeoutMs: timeoutMs ?? Math.min(10_000, scrapeIntervalMs),
      evaluationIntervalMs: settings.global.evaluation_interval,
      externalLabels: settings.global.external_labels,
      jobs: scrapeJobs(settings, context),
    },
    configFile: file?.name ?? null,
    warnings: context.warnings,
  }
  const problems = [...conflicts(config, place)]
  if (problems.length > 0) throw new ConfigError(problems)
  return config
}

function scrapeJobs(settings: FileSettings, { place }: Context): readonly ScrapeConfig[] {
  const { scrape_interval: scrapeIntervalMs, scrape_timeout: timeoutMs } = settings.global
  const parsed = parseScrapeConfigs(settings.scrape_configs, {
    scrapeIntervalMs,
    scrapeTimeoutMs: timeoutMs ?? Math.min(10_000, scrapeIntervalMs),
  })
  if ('jobs' in parsed) return parsed.jobs
  throw new ConfigError(
    parsed.issues.map(({ path, message }) => `${place(['scrape_configs', ...path])}: ${['scrape_configs', ...path].join('.')}: ${message}`),
  )
}

function tokensOf(settings: FileSettings, { environment, base, place }: Context): TokenConfig[] {
  const tokens = settings.security.tokens.map((token, index): TokenConfig => {
    const { name, scopes, cidrs } = token
    if (token.token !== undefined) return { name, token: token.token, scopes, cidrs }
    const file = resolve(base('security.tokens'), token.token_file ?? '')
    const secret = readText(file, `${place(['security', 'tokens', index, 'token_file'])}: security.tokens.${index}.token_file`).trim()
    if (!isToken(secret)) throw new ConfigError([`${file}: expected one token of printable characters without spaces`])
    return { name, token: secret, scopes, cidrs }
  })
  // A container gets its one token this way; it is the same variable that the clients read.
  if (environment.TIDEMARK_TOKEN && !isToken(environment.TIDEMARK_TOKEN)) {
    throw new ConfigError(['TIDEMARK_TOKEN: expected a token of printable characters without spaces'])
  }
  if (environment.TIDEMARK_TOKEN) tokens.push({ name: 'environment', token: environment.TIDEMARK_TOKEN, scopes: [...scopes], cidrs: [] })
  return tokens
}

function limitsOf(settings: FileSettings['limits']): Limits {
  return {
    ...limits,
    futureMsMax: settings.future_tolerance,
    rawRetentionMs: settings.raw_retention,
    logRetentionMs: settings.log_retention,
    logBytesMax: settings.log_bytes,
    indexSeriesMax: settings.series,
    headBytesMax: settings.head_memory,
    bodyBytesMax: settings.body_bytes,
    decompressedBytesMax: settings.decompressed_bytes,
    seriesPerSenderMax: settings.series_per_sender,
    seriesPerRequestMax: settings.series_per_request,
    labelsPerSeriesMax: settings.labels_per_series,
    labelNameBytesMax: settings.label_name_bytes,
    labelValueBytesMax: settings.label_value_bytes,
    queryTimeoutMs: settings.query_timeout,
    querySamplesMax: settings.query_samples,
    querySeriesMax: settings.query_series,
    lookbackMs: settings.query_lookback,
  }
}

/** Settings that are each right and don't go together. */
function* conflicts(config: Config, place: Context['place']): Iterable<string> {
  if (!isLoopback(config.host) && config.security.tokens.length === 0) {
    yield `${place(['host'])}: host ${config.host} can be reached from other machines, so a token is required: ` +
      `set TIDEMARK_TOKEN, or security.tokens in the configuration file, or listen on 127.0.0.1 only`
  }
  if (config.scrape.scrapeTimeoutMs > config.scrape.scrapeIntervalMs) {
    yield `${place(['global', 'scrape_timeout'])}: global.scrape_timeout: expected at most global.scrape_interval`
  }
  if (config.limits.decompressedBytesMax < config.limits.bodyBytesMax) {
    yield `${place(['limits', 'decompressed_bytes'])}: limits.decompressed_bytes: expected at least limits.body_bytes`
  }
  const names = config.security.tokens.map(({ name }) => name)
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index)
      yield `${place(['security', 'tokens', index, 'name'])}: security.tokens.${index}.name: expected a name used once, met "${name}" again`
  }
}

function describeIssue(issue: z.core.$ZodIssue, place: Context['place']): string[] {
  const path = issue.path.filter((step): step is string | number => typeof step !== 'symbol')
  const dotted = path.join('.')
  if (issue.code === 'unrecognized_keys') {
    const known = issue.message.split(' ')
    return issue.keys.map((key) => {
      const meant = nearest(key, known)
      const remedy = meant === null ? `expected one of ${known.join(', ')}` : `did you mean "${meant}"?`
      return `${place([...path, key], 'key')}: ${dotted === '' ? '' : `${dotted}: `}unknown key "${key}"; ${remedy}`
    })
  }
  return [`${place(path)}: ${dotted === '' ? '' : `${dotted}: `}${issue.message}`]
}

function placeOf(file: YamlFile | null, origins: ReadonlyMap<string, string>, path: Path, part: 'key' | 'value'): string {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(path.slice(0, length).join('.'))
    if (origin !== undefined) return origin
  }
  return file?.locate(path, part) ?? 'configuration'
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ConfigError([`${what} ${path} can't be read: ${String((cause as NodeJS.ErrnoException).code ?? cause)}`], { cause })
  }
}

/** A key without a value means the same as no key, as in Prometheus' files. What stands below scrape_configs is left as it is. */
function dropEmpty(value: unknown): unknown {
  if (!isRecord(value)) return value
  const kept = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(kept.map(([key, inner]) => [key, dropEmpty(inner)]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
