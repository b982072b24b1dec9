import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { environmentPaths } from '../../src/config/schema.ts'
import { type Config, ConfigError, type Flags, isLoopback, loadConfig } from '../../src/config.ts'
import { limits } from '../../src/domain/limits.ts'

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-config-'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function load(yaml: string, flags: Flags = {}, environment: Record<string, string> = {}): Config {
  const file = join(folder, 'tidemark.yaml')
  writeFileSync(file, yaml)
  return loadConfig({ config: file, ...flags }, environment)
}

/** What is wrong with a file, its folder left out of the messages. */
function problems(yaml: string, flags: Flags = {}, environment: Record<string, string> = {}): readonly string[] {
  try {
    load(yaml, flags, environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.replaceAll(`${folder}/`, ''))
    throw error
  }
  return []
}

describe('the configuration', () => {
  it('without anything listens on loopback and collects nothing', () => {
    const config = loadConfig({}, {})
    expect([config.host, config.port, config.partitions, config.engines]).toEqual(['127.0.0.1', 4000, null, null])
    expect(config.dataDir).toBe(join(process.cwd(), 'data'))
    expect([config.agent.enabled, config.selfScrape.enabled, config.scrape.jobs]).toEqual([false, false, []])
    expect(config.roles).toContain('query')
    expect(config.limits).toEqual(limits)
  })

  it('takes flags before the environment before the file before the defaults', () => {
    const yaml = 'host: 127.0.0.2\nport: 1\nlog_level: error\ndata_dir: from-file\n'
    const config = load(yaml, { port: '3' }, { TIDEMARK_PORT: '2', TIDEMARK_LOG_LEVEL: 'debug' })
    expect([config.port, config.logLevel, config.host, config.queryWorkers]).toEqual([3, 'debug', '127.0.0.2', 2])
  })

  it('finds relative paths from the folder of the file that names them, and from the current one otherwise', () => {
    expect(load('data_dir: store').dataDir).toBe(join(folder, 'store'))
    expect(load('port: 1').dataDir).toBe(join(process.cwd(), 'data'))
    expect(load('data_dir: store', { data: 'other' }).dataDir).toBe(join(process.cwd(), 'other'))
    expect(load('data_dir: store', {}, { TIDEMARK_DATA: '/srv/tidemark' }).dataDir).toBe('/srv/tidemark')
  })

  it('reads limits, durations and sizes', () => {
    const config = load(
      'limits:\n  raw_retention: 2w\n  future_tolerance: 1m30s\n  head_memory: 512MB\n  log_bytes: 1GiB\n  query_series: 5\n',
    )
    expect(config.limits.rawRetentionMs).toBe(14 * 86_400_000)
    expect(config.limits.futureMsMax).toBe(90_000)
    expect([config.limits.headBytesMax, config.limits.logBytesMax, config.limits.querySeriesMax]).toEqual([2 ** 29, 2 ** 30, 5])
    expect(config.limits.queryTimeoutMs).toBe(limits.queryTimeoutMs)
  })

  it('takes scrape_configs in their own form, and names the place of what is wrong with them', () => {
    const config = load(
      'global: { scrape_interval: 5s }\nscrape_configs:\n  - job_name: node\n    static_configs:\n      - targets: [a, b]\n',
    )
    expect(config.scrape.jobs).toMatchObject([
      {
        job_name: 'node',
        metrics_path: '/metrics',
        scrape_interval: 5000,
        scrape_timeout: 5000,
        static_configs: [{ targets: ['a', 'b'] }],
      },
    ])
    expect([config.scrape.scrapeIntervalMs, config.scrape.scrapeTimeoutMs]).toEqual([5000, 5000])
    expect(problems('scrape_configs:\n  - job_name: node\n    scrape_interval: soon\n')).toEqual([
      expect.stringMatching(/:3:22: scrape_configs\.0\.scrape_interval: expected a duration/),
    ])
  })

  it('takes an empty section as one left out', () => {
    expect(load('agent:\nlimits:\n  raw_retention:\n').agent.enabled).toBe(false)
    expect(load('').port).toBe(4000)
    expect(load('# nothing but words\n').port).toBe(4000)
  })

  it('is frozen to its depth and plain enough for a worker', () => {
    const config = load('scrape_configs: [{ job_name: a }]')
    expect(() => Object.assign(config.limits, { bodyBytesMax: 1 })).toThrow(TypeError)
    expect(() => Object.assign(config.scrape.jobs[0] as object, { job_name: 'b' })).toThrow(TypeError)
    expect(structuredClone(config)).toEqual(config)
  })

  it('reads every setting that the environment may carry', () => {
    for (const path of environmentPaths) {
      const name = `TIDEMARK_${path.replaceAll('.', '_').toUpperCase()}`
      expect(problems('', {}, { [name]: '\u0001' })).toContainEqual(expect.stringMatching(`^${name}: ${path.replaceAll('.', '\\.')}`))
    }
    expect(load('', {}, { TIDEMARK_ROLES: 'query, ingest', TIDEMARK_AGENT_ENABLED: 'true' })).toMatchObject({
      roles: ['query', 'ingest'],
      agent: { enabled: true },
    })
  })

  it('takes engines together, their secrets from files too, and tells what is missing', () => {
    writeFileSync(join(folder, 'secret'), 'pass word\n')
    const { engines } = load(
      'engines:\n  kafka: { brokers: [b1:9092, b2:9092], sasl: { mechanism: scram-sha-256, username: u, password_file: secret } }\n' +
        '  cassandra: { contact_points: c1, keyspace: Metrics, username: u, password: p }\n  s3: { bucket: cold, prefix: a }\n',
      {},
      { TIDEMARK_ENGINES_KAFKA_TOPIC_PREFIX: 'north' },
    )
    expect(engines?.kafka).toMatchObject({
      brokers: ['b1:9092', 'b2:9092'],
      topicPrefix: 'north',
      tls: null,
      sasl: { mechanism: 'scram-sha-256', username: 'u', password: 'pass word' },
    })
    expect(engines?.cassandra).toMatchObject({ contactPoints: ['c1'], keyspace: 'metrics', auth: { username: 'u', password: 'p' } })
    expect(engines?.s3).toMatchObject({ endpoint: null, s3Bucket: 'cold', prefix: 'a/', credentials: null })
    expect(problems('engines: { kafka: { brokers: [b1:9092] } }')).toEqual([
      expect.stringMatching(/^tidemark\.yaml:1:\d+: engines: expected cassandra too/),
    ])
    expect(problems('engines: { kafka: { brokers: [b1] } }')).toEqual([
      'tidemark.yaml:1:31: engines.kafka.brokers.0: expected host:port, met "b1"',
    ])
    expect(problems('engines:\n  cassandra: { contact_points: c1, username: u }')).toEqual([
      expect.stringContaining('engines.cassandra: expected username and password (or password_file) together'),
    ])
    expect(problems('engines: { kafka: { brokers: [b:1], tls: { ca_file: none.pem } }, cassandra: { contact_points: c } }')).toEqual([
      expect.stringMatching(/engines\.kafka\.tls\.ca_file: none\.pem can't be read: ENOENT/),
    ])
  })

  it('warns of variables that look like settings and are none', () => {
    expect(load('', {}, { TIDEMARK_PROT: '1', TIDEMARK_TOOLS: '/x', OTHER: '1' }).warnings).toEqual([
      'environment variable TIDEMARK_PROT is not a setting of Tidemark; did you mean TIDEMARK_PORT?',
    ])
  })
})

describe('docs/configuration.md', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  const rows = [...page.matchAll(/^\| (`[^|]+) \| ([^|]+) \|/gm)].map(([, names = '', defaults = '']) => ({
    names: [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    defaults: [...defaults.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text),
  }))

  it('explains every setting', () => {
    const named = rows.flatMap(({ names }) => names)
    for (const path of [...environmentPaths, 'security.tokens', 'global.external_labels', 'scrape_configs']) expect(named).toContain(path)
  })

  it('tells the defaults that are in force', () => {
    const withDefaults = Object.fromEntries(
      rows.flatMap(({ names, defaults }) => names.flatMap((name, index) => (defaults[index] ? [[name, defaults[index]]] : []))),
    )
    const environment = Object.entries(withDefaults).map(([path, text]) => [`TIDEMARK_${path.replaceAll('.', '_').toUpperCase()}`, text])
    expect(environment.length).toBeGreaterThan(25)
    const { scrape, ...config } = loadConfig({}, Object.fromEntries(environment))
    const { scrape: defaultScrape, ...defaults } = loadConfig({}, {})
    expect({ ...config, ...scrape }).toEqual({ ...defaults, ...defaultScrape })
  })

  it('has an example that loads', () => {
    const example = /```yaml\n([^`]+)```/.exec(page)?.[1] ?? ''
    for (const name of ['grafana', 'fleet']) writeFileSync(join(folder, name), name)
    expect(load(example.replaceAll('/run/secrets/', '')).security.tokens.map(({ token }) => token)).toEqual(['grafana', 'fleet'])
  })

  it('is not contradicted by quickstart.yaml, which collects this machine and itself every 5 seconds', () => {
    const config = loadConfig({ config: fileURLToPath(new URL('../../quickstart.yaml', import.meta.url)) }, {})
    expect([config.agent, config.selfScrape]).toEqual([
      { enabled: true, intervalMs: 5000 },
      { enabled: true, intervalMs: 5000 },
    ])
  })
})

describe('a wrong configuration', () => {
  const cases: [name: string, yaml: string, problem: string][] = [
    ['a wrong type', 'host: localhost\nport: many\n', 'tidemark.yaml:2:7: port: expected a whole number from 0 to 65535, met "many"'],
    ['a number out of range', 'port: 70000', 'tidemark.yaml:1:7: port: expected a whole number from 0 to 65535, met 70000'],
    ['a wrong unit', 'limits:\n  raw_retention: 7 days\n', 'tidemark.yaml:2:18: limits.raw_retention: expected a duration from 4h to 10y'],
    ['a mistyped key', 'prot: 1\n', 'tidemark.yaml:1:1: unknown key "prot"; did you mean "port"?'],
    ['another spelling', 'dataDir: x\n', 'tidemark.yaml:1:1: unknown key "dataDir"; did you mean "data_dir"?'],
    ['a mistyped key further down', 'agent:\n  enbled: true\n', 'tidemark.yaml:2:3: agent: unknown key "enbled"; did you mean "enabled"?'],
    ['an unknown key', 'rule_files: []\n', 'tidemark.yaml:1:1: unknown key "rule_files"; expected one of host, port'],
    ['a list for a mapping', 'agent: [1]\n', 'tidemark.yaml:1:8: agent: expected a mapping, met [1]'],
    ['a scalar for the whole', 'hello\n', 'tidemark.yaml:1:1: expected a mapping, met "hello"'],
    ['an unknown role', 'roles: [query, serve]\n', 'tidemark.yaml:1:16: roles.1: expected one of collect, ingest'],
    ['a bad range', "security: { senders: ['10.0.0.0/33'] }", 'tidemark.yaml:1:23: security.senders.0: expected an address range'],
    [
      'an origin with a path',
      'security: { allowed_origins: [http://a.example/x] }',
      'tidemark.yaml:1:31: security.allowed_origins.0: expected an origin',
    ],
    ['half of TLS', 'tls:\n  cert_file: a.pem\n', 'tidemark.yaml:2:3: tls.key_file: expected a path, met nothing'],
    ['a token twice over', 'security: { tokens: [{ name: a, token: x, token_file: y }] }', 'expected either token or token_file'],
    ['a repeated key', 'port: 1\nport: 2\n', 'tidemark.yaml:2:1: not valid YAML: Map keys must be unique'],
    ['no YAML', 'port: [1\n', 'not valid YAML'],
    ['a tab for indentation', 'agent:\n\tenabled: true\n', 'not valid YAML'],
    [
      'a timeout over its interval',
      'global: { scrape_interval: 1s, scrape_timeout: 2s }',
      'global.scrape_timeout: expected at most global.scrape_interval',
    ],
    ['a collection as key', '? [a, b]\n: 1\n', 'tidemark.yaml:1:3: expected a plain key, met a collection'],
  ]
  for (const [name, yaml, problem] of cases) {
    it(`names place and expectation: ${name}`, () => {
      expect(problems(yaml).join('\n')).toContain(problem)
    })
  }

  it('tells all that is wrong at once', () => {
    expect(problems('port: x\nhots: y\nagent: { interval: 1 }\n')).toHaveLength(3)
  })

  it('names the flag or variable that a value came from', () => {
    expect(problems('port: 1', { port: 'x' })).toEqual(['--port: port: expected a whole number from 0 to 65535, met "x"'])
    expect(problems('', {}, { TIDEMARK_LIMITS_RAW_RETENTION: 'x' })[0]).toMatch(
      /^TIDEMARK_LIMITS_RAW_RETENTION: limits.raw_retention: expected/,
    )
  })

  it('names a file that is not there', () => {
    expect(() => loadConfig({ config: '/nowhere/t.yaml' }, {})).toThrow("configuration file /nowhere/t.yaml can't be read: ENOENT")
  })

  it('refuses alias bombs, self-reference and hostile depth, quickly', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'.split('').map((key, index) => `${key}: &${key} [${`*${'abcdefgh'[index]},`.repeat(9)}]`),
    ]
    expect(problems(bomb.join('\n'))[0]).toContain('aliases expand to too much')
    expect(problems('a: &a [*a]').join()).not.toBe('')
    expect(problems('['.repeat(100_000)).join()).toContain('tidemark.yaml')
    expect(problems(`${'['.repeat(100)}${']'.repeat(100)}`).join()).toContain('at most 64 levels')
    expect(problems(`port: ${' '.repeat(5 * 2 ** 20)}1`).join()).toContain('expected at most')
  })
})

describe('security at start', () => {
  it('demands a token where other machines can reach the server, and says how', () => {
    expect(problems('host: 0.0.0.0')).toEqual([
      expect.stringMatching(/tidemark\.yaml:1:7: host 0\.0\.0\.0 can be reached .* TIDEMARK_TOKEN/),
    ])
    expect(problems('', { host: '10.0.0.1' })[0]).toMatch(/^--host: host 10.0.0.1/)
    expect(problems('host: "::"')).toHaveLength(1)
    expect(load('host: 0.0.0.0', {}, { TIDEMARK_TOKEN: 'abc' }).security.tokens).toEqual([
      { name: 'environment', token: 'abc', scopes: ['read', 'write', 'operate'], cidrs: [] },
    ])
  })

  it('knows loopback', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].every(isLoopback)).toBe(true)
    expect(['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.example.org'].some(isLoopback)).toBe(false)
  })

  it('reads a token from its file, beside the configuration', () => {
    writeFileSync(join(folder, 'secret'), 'hunter2\n')
    const config = load('host: 0.0.0.0\nsecurity: { tokens: [{ name: a, token_file: secret, scopes: [write], cidrs: [10.0.0.0/8] }] }')
    expect(config.security.tokens).toEqual([{ name: 'a', token: 'hunter2', scopes: ['write'], cidrs: ['10.0.0.0/8'] }])
  })

  it('never prints a token', () => {
    expect(problems("security: { tokens: [{ name: a, token: 'hunter 2' }] }").join()).not.toContain('hunter')
    writeFileSync(join(folder, 'secret'), 'hunter 2')
    expect(problems('security: { tokens: [{ name: a, token_file: secret }] }').join()).not.toContain('hunter')
    expect(problems('security: { tokens: [{ name: a, token_file: absent }] }').join()).toContain("absent can't be read: ENOENT")
    expect(problems('', {}, { TIDEMARK_TOKEN: 'hunter 2' }).join()).not.toContain('hunter')
  })
})
