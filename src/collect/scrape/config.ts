import { z } from 'zod'
import { parseDuration } from '../../domain/duration.ts'
import { compileRelabelRegex, type RelabelConfig } from './relabel.ts'

/**
 * `scrape_configs` in Prometheus' own form: static and file targets, HTTP options, relabelling, limits. What is known to Prometheus and
 * not built here is refused by name, never silently ignored.
 */
const SIZE_UNITS: Record<string, number> = { B: 1, KB: 2 ** 10, MB: 2 ** 20, GB: 2 ** 30 }

const duration = z.string().transform((text, context) => {
  const ms = parseDuration(text)
  if (ms !== null) return ms
  context.addIssue({ code: 'custom', message: `expected a duration such as "15s" or "1m", met ${JSON.stringify(text)}` })
  return z.NEVER
})

const size = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  if (typeof value === 'number') return value
  const match = /^(\d+)(B|KB|MB|GB)?$/.exec(value)
  if (match !== null) return Number(match[1]) * SIZE_UNITS[match[2] ?? 'B']
  context.addIssue({ code: 'custom', message: `expected a size such as "10MB", met ${JSON.stringify(value)}` })
  return z.NEVER
})

const regex = z.union([z.string(), z.number()]).transform((value, context) => {
  try {
    compileRelabelRegex(String(value))
    return String(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `expected an RE2 regular expression: ${(error as Error).message}` })
    return z.NEVER
  }
})

const labelName = z.string().min(1)

const relabelConfig = z
  .strictObject({
    source_labels: z.array(labelName).default([]),
    separator: z.string().default(';'),
    target_label: z.string().default(''),
    regex: regex.default('(.*)'),
    modulus: z.number().int().nonnegative().default(0),
    replacement: z.string().default('$1'),
    action: z
      .string()
      .toLowerCase()
      .pipe(
        z.enum([
          'replace',
          'keep',
          'drop',
          'keepequal',
          'dropequal',
          'hashmod',
          'labelmap',
          'labeldrop',
          'labelkeep',
          'lowercase',
          'uppercase',
        ]),
      )
      .default('replace'),
  })
  .superRefine((config, context) => {
    const needsTarget = ['replace', 'hashmod', 'lowercase', 'uppercase', 'keepequal', 'dropequal'].includes(config.action)
    if (needsTarget && config.target_label === '') {
      context.addIssue({ code: 'custom', path: ['target_label'], message: `expected a target_label, action ${config.action} needs one` })
    }
    if (config.action === 'hashmod' && config.modulus === 0) {
      context.addIssue({ code: 'custom', path: ['modulus'], message: 'expected a modulus above 0, action hashmod needs one' })
    }
  })
  .transform(
    (config): RelabelConfig => ({
      action: config.action,
      sourceLabels: config.source_labels,
      separator: config.separator,
      regex: config.regex,
      modulus: config.modulus,
      targetLabel: config.target_label,
      replacement: config.replacement,
    }),
  )

const labelMap = z.record(labelName, z.union([z.string(), z.number(), z.boolean()]).transform(String))

const tlsConfig = z.strictObject({
  ca: z.string().optional(),
  ca_file: z.string().optional(),
  cert: z.string().optional(),
  cert_file: z.string().optional(),
  key: z.string().optional(),
  key_file: z.string().optional(),
  server_name: z.string().optional(),
  insecure_skip_verify: z.boolean().default(false),
})

const scrapeConfig = z.strictObject({
  job_name: z.string().min(1),
  scrape_interval: duration.optional(),
  scrape_timeout: duration.optional(),
  scheme: z.enum(['http', 'https']).default('http'),
  metrics_path: z.string().startsWith('/').default('/metrics'),
  params: z.record(z.string(), z.array(z.string())).default({}),
  honor_labels: z.boolean().default(false),
  honor_timestamps: z.boolean().default(true),
  track_timestamps_staleness: z.boolean().default(false),
  follow_redirects: z.boolean().default(true),
  enable_compression: z.boolean().default(true),
  basic_auth: z.strictObject({ username: z.string(), password: z.string().optional(), password_file: z.string().optional() }).optional(),
  authorization: z
    .strictObject({ type: z.string().default('Bearer'), credentials: z.string().optional(), credentials_file: z.string().optional() })
    .optional(),
  tls_config: tlsConfig.optional(),
  static_configs: z.array(z.strictObject({ targets: z.array(z.string().min(1)), labels: labelMap.default({}) })).default([]),
  file_sd_configs: z
    .array(z.strictObject({ files: z.array(z.string().min(1)).min(1), refresh_interval: duration.default(5 * 60_000) }))
    .default([]),
  relabel_configs: z.array(relabelConfig).default([]),
  metric_relabel_configs: z.array(relabelConfig).default([]),
  body_size_limit: size.default(0),
  sample_limit: z.number().int().nonnegative().default(0),
  label_limit: z.number().int().nonnegative().default(0),
  label_name_length_limit: z.number().int().nonnegative().default(0),
  label_value_length_limit: z.number().int().nonnegative().default(0),
  target_limit: z.number().int().nonnegative().default(0),
})

/** One scrape job, validated, its defaults filled in. Intervals in milliseconds, sizes in bytes, limits 0 = none. */
export type ScrapeConfig = z.output<typeof scrapeConfig> & { readonly scrape_interval: number; readonly scrape_timeout: number }

export interface ScrapeGlobals {
  readonly scrapeIntervalMs: number
  readonly scrapeTimeoutMs: number
}

/** What is wrong with a scrape configuration; `path` leads to it from the list of jobs. */
export interface ScrapeConfigIssue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** Validates `scrape_configs`. @returns the jobs, or what is wrong with them */
export function parseScrapeConfigs(value: unknown, globals: ScrapeGlobals): { jobs: ScrapeConfig[] } | { issues: ScrapeConfigIssue[] } {
  const parsed = z.array(scrapeConfig).safeParse(value ?? [])
  if (!parsed.success) {
    return {
      issues: parsed.error.issues.map((issue) => ({
        path: issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)),
        message: issue.message,
      })),
    }
  }
  const issues: ScrapeConfigIssue[] = []
  const names = new Set<string>()
  const jobs = parsed.data.map((job, i) => {
    if (names.has(job.job_name)) issues.push({ path: [i, 'job_name'], message: `job ${JSON.stringify(job.job_name)} stands twice` })
    names.add(job.job_name)
    const interval = job.scrape_interval ?? globals.scrapeIntervalMs
    const timeout = job.scrape_timeout ?? Math.min(globals.scrapeTimeoutMs, interval)
    if (interval <= 0) issues.push({ path: [i, 'scrape_interval'], message: 'expected an interval above 0' })
    if (timeout > interval)
      issues.push({ path: [i, 'scrape_timeout'], message: `expected at most the scrape_interval of ${interval} ms, met ${timeout} ms` })
    return { ...job, scrape_interval: interval, scrape_timeout: timeout }
  })
  return issues.length > 0 ? { issues } : { jobs }
}
