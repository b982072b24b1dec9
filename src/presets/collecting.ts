import { hostname } from 'node:os'
import { HostAgent } from '../collect/agent/host-agent.ts'
import { systemFiles } from '../collect/agent/procfs.ts'
import { parseScrapeConfigs, type ScrapeConfig } from '../collect/scrape/config.ts'
import type { Config } from '../config.ts'
import type { AppendSamples } from '../domain/ports/append-samples.ts'
import type { Clock } from '../domain/ports/clock.ts'
import { invariant } from '../stdx/invariant.ts'
import type { Logger } from '../telemetry/log.ts'

/** The agent of this machine, where the configuration wants one. */
export function hostAgent(config: Config, append: AppendSamples, clock: Clock, logger: Logger): HostAgent | null {
  if (!config.agent.enabled) return null
  return new HostAgent({
    files: systemFiles,
    append,
    clock,
    logger,
    intervalMs: config.agent.intervalMs,
    labels: { job: 'node', instance: hostname() },
  })
}

/** The job that scrapes this server itself, where the configuration wants it. */
export function selfScrapeJobs(config: Config, port: number): readonly ScrapeConfig[] {
  if (!config.selfScrape.enabled) return []
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
  return parsed.jobs
}
