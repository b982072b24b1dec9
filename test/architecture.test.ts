import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from '@jest/globals'

const SRC = fileURLToPath(new URL('../src', import.meta.url))
const LINES_MAX = 600

/** Who may import whom: the table of ARCHITECTURE.md. A folder may always import itself. */
const table: Readonly<Record<string, readonly string[]>> = {
  stdx: [],
  kernels: ['stdx'],
  domain: ['stdx'],
  telemetry: ['stdx'],
  promql: ['domain', 'kernels', 'stdx'],
  ingest: ['domain', 'kernels', 'telemetry', 'stdx'],
  collect: ['ingest', 'domain', 'kernels', 'telemetry', 'stdx'],
  projections: ['domain', 'kernels', 'telemetry', 'stdx'],
  tiering: ['domain', 'kernels', 'telemetry', 'stdx'],
  query: ['promql', 'domain', 'kernels', 'telemetry', 'stdx'],
  alerting: ['promql', 'domain', 'telemetry', 'stdx'],
  graphql: ['ingest', 'query', 'alerting', 'domain', 'telemetry', 'stdx'],
  http: ['graphql', 'ingest', 'query', 'alerting', 'domain', 'telemetry', 'stdx'],
  engines: ['domain', 'telemetry', 'stdx'],
  presets: [
    'http',
    'graphql',
    'alerting',
    'query',
    'tiering',
    'projections',
    'collect',
    'ingest',
    'promql',
    'telemetry',
    'domain',
    'kernels',
    'engines',
    'stdx',
  ],
  config: ['collect', 'domain'],
  cli: ['presets', 'config', 'engines', 'domain', 'telemetry', 'stdx'],
  main: ['cli'],
}

/** Edges beyond the table, types only: nothing of these folders runs in the importing one. */
const typeEdges: Readonly<Record<string, readonly string[]>> = { presets: ['config'], config: ['engines'] }

/** Folders that use no package and no `node:` module, but for those named here. */
const purePackages: Readonly<Record<string, readonly string[]>> = {
  stdx: [],
  kernels: [],
  domain: [],
  promql: ['re2js'],
}

/** Packages that one place alone knows. */
const owners: readonly (readonly [packages: RegExp, folders: readonly string[]])[] = [
  [/^(inversify|reflect-metadata)$/, ['presets']],
  [/^(@apollo\/|@graphql-tools\/|dataloader$)/, ['graphql']],
  [/^graphql(-ws)?(\/|$)/, ['graphql', 'http']],
  [/^ws$/, ['graphql', 'http']],
  [/^(pino|prom-client)$/, ['telemetry']],
  [/^commander$/, ['cli']],
  [/^hyparquet(-writer)?$/, ['tiering']],
  [/^node:sqlite$/, ['engines']],
]

const hand = ['engines', 'telemetry', 'cli', 'main']

/** Words that stand only where they are allowed, and what to write elsewhere. */
const banned: readonly (readonly [word: RegExp, folders: readonly string[], replacement: string])[] = [
  [/\bDate\.now\(/, hand, 'Clock.nowMs()'],
  [/\bnew Date\(\)/, hand, 'Clock.nowMs()'],
  [/\bperformance\.now\(/, hand, 'Clock.monotonicMs()'],
  [/\bMath\.random\(/, ['engines'], 'Random.next()'],
  [/\b(setTimeout|setInterval)\(/, hand, 'Clock.sleep()'],
  [/\bprocess\.env\b/, ['config'], 'a setting of Config'],
  [/\bconsole\.\w+\(/, ['telemetry', 'cli'], 'the Logger that is handed in'],
  [/^\s*(export\s+)?(const\s+)?enum\s/, [], 'a union of string literals'],
  [/^\s*(export\s+)?(declare\s+)?namespace\s/, [], 'a file'],
  [/^\s*export default\b/, [], 'a named export'],
  [/(:\s*any\b|\bas any\b|<any>|\bany\[\])/, [], '`unknown`, parsed at the edge'],
  [/\b(TODO|FIXME|XXX)\b/, [], 'doing it, or an issue'],
  [/@ts-(ignore|nocheck)\b/, [], 'a type that holds'],
]

interface Import {
  readonly specifier: string
  readonly line: number
  readonly typeOnly: boolean
}

interface Source {
  /** From src/, with slashes. */
  readonly path: string
  readonly folder: string
  readonly lines: readonly string[]
  readonly imports: readonly Import[]
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => read(path.split(sep).join('/'), readFileSync(join(SRC, path), 'utf8')))

function read(path: string, text: string): Source {
  const first = path.split('/')[0] ?? ''
  const imports: Import[] = []
  const statement =
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|(?:^|\n)import\s+'([^']+)'|new URL\(\s*'(\.[^']+)',\s*import\.meta\.url/g
  for (const match of text.matchAll(statement)) {
    const specifier = match[2] ?? match[3] ?? match[4] ?? match[5] ?? ''
    if (match[5] !== undefined && !/\.[jt]s$/.test(specifier)) continue
    imports.push({ specifier, line: text.slice(0, match.index + match[0].length).split('\n').length, typeOnly: match[1] !== undefined })
  }
  return { path, folder: first.replace(/\.ts$/, ''), lines: text.split('\n'), imports }
}

/** The path from src/ that a relative import means; null for a package. */
function target(source: Source, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null
  return relative(SRC, resolve(SRC, dirname(source.path), specifier))
    .split(sep)
    .join('/')
}

function complaints(check: (source: Source, complain: (line: number, text: string) => void) => void, over = sources): string[] {
  const found: string[] = []
  for (const source of over) check(source, (line, text) => found.push(`src/${source.path}:${line}: ${text}`))
  return found
}

function checkEdges(source: Source, complain: (line: number, text: string) => void): void {
  const allowed = table[source.folder]
  if (allowed === undefined) complain(1, `folder ${source.folder} is not in the import table`)
  for (const { specifier, line, typeOnly } of source.imports) {
    const path = target(source, specifier)
    if (path === null) continue
    const folder = path.split('/')[0]?.replace(/\.ts$/, '') ?? ''
    const mayUse = folder === source.folder || allowed?.includes(folder) || (typeOnly && (typeEdges[source.folder] ?? []).includes(folder))
    if (!mayUse) complain(line, `${source.folder} may not import ${folder} (${specifier})`)
    else if (!specifier.endsWith('.ts')) complain(line, `expected a relative import to end with .ts, met ${specifier}`)
  }
}

function checkPackages(source: Source, complain: (line: number, text: string) => void): void {
  for (const { specifier, line, typeOnly } of source.imports) {
    if (specifier.startsWith('.')) continue
    const pure = purePackages[source.folder]
    const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : specifier
    if (pure !== undefined && !pure.includes(name)) complain(line, `${source.folder} is pure and may not import ${specifier}`)
    for (const [packages, folders] of owners) {
      if (!typeOnly && packages.test(specifier) && !folders.includes(source.folder))
        complain(line, `${specifier} is known to ${folders.join(', ')} alone`)
    }
  }
}

function checkEngines(source: Source, complain: (line: number, text: string) => void): void {
  const [folder, engine, ...rest] = source.path.split('/')
  if (folder !== 'engines' || rest.length === 0) return
  for (const { specifier, line } of source.imports) {
    const [toFolder, toEngine, ...toRest] = target(source, specifier)?.split('/') ?? []
    if (toFolder === 'engines' && toRest.length > 0 && toEngine !== engine)
      complain(line, `engine ${engine} may not import engine ${toEngine}`)
  }
}

function checkWords(source: Source, complain: (line: number, text: string) => void): void {
  // Written by a generator, or in a language of declarations that has no other way to say it.
  if (/\.(generated|d)\.ts$/.test(source.path)) return
  for (const [index, line] of source.lines.entries()) {
    const isComment = /^\s*(\/\/|\/?\*)/.test(line)
    for (const [word, folders, replacement] of banned) {
      // Of comments only the words that speak of work left undone.
      if (isComment && !/TODO|@ts-/.test(word.source)) continue
      const met = word.exec(line)
      if (met && !folders.includes(source.folder)) complain(index + 1, `"${met[0].trim()}" is not allowed here; write ${replacement}`)
    }
  }
}

describe('the import table', () => {
  it('has no cycle', () => {
    const done = new Set<string>()
    const visit = (folder: string, trail: readonly string[]) => {
      expect(trail).not.toContain(folder)
      if (done.has(folder)) return
      for (const next of table[folder] ?? []) visit(next, [...trail, folder])
      done.add(folder)
    }
    for (const folder of Object.keys(table)) visit(folder, [])
    expect([...done].sort()).toEqual(Object.keys(table).sort())
  })

  it('is kept by every file', () => expect(complaints(checkEdges)).toEqual([]))
  it('keeps pure folders pure and packages where they belong', () => expect(complaints(checkPackages)).toEqual([]))
  it('keeps engines apart', () => expect(complaints(checkEngines)).toEqual([]))

  it('leaves no two files that need each other at run time', () => {
    const graph = new Map<string, string[]>()
    for (const source of sources) {
      graph.set(
        source.path,
        source.imports.flatMap(({ specifier, typeOnly }) => (typeOnly ? [] : (target(source, specifier) ?? []))),
      )
    }
    const found = new Set<string>()
    const state = new Map<string, 'open' | 'done'>()
    const visit = (path: string, trail: readonly string[]) => {
      if (state.get(path) === 'done') return
      if (state.get(path) === 'open') return void found.add([...trail.slice(trail.indexOf(path)), path].join(' -> '))
      state.set(path, 'open')
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
      state.set(path, 'done')
    }
    for (const path of graph.keys()) visit(path, [])
    expect([...found]).toEqual([])
  })
})

describe('the source', () => {
  it('is there', () => expect(sources.length).toBeGreaterThan(50))
  it('has no banned word', () => expect(complaints(checkWords)).toEqual([]))

  it('has no file that is too long', () => {
    const long = sources.filter(({ path, lines }) => !path.includes('.generated.') && lines.length > LINES_MAX)
    expect(long.map(({ path, lines }) => `src/${path}: ${lines.length} lines, at most ${LINES_MAX}`)).toEqual([])
  })
})

describe('these checks', () => {
  const of = (path: string, text: string) => {
    const over = [read(path, text)]
    return [checkEdges, checkPackages, checkEngines, checkWords].flatMap((check) => complaints(check, over))
  }

  it('see what they forbid', () => {
    expect(of('domain/x.ts', "import { a } from '../http/a.ts'")).toEqual(['src/domain/x.ts:1: domain may not import http (../http/a.ts)'])
    expect(of('query/x.ts', "\nimport {\n  a,\n  b,\n} from '../engines/a.ts'")).toEqual([
      'src/query/x.ts:5: query may not import engines (../engines/a.ts)',
    ])
    expect(of('query/x.ts', "const a = await import('../engines/a.ts')")).toHaveLength(1)
    expect(of('query/x.ts', "new Worker(new URL('../projections/a.ts', import.meta.url))")).toHaveLength(1)
    expect(of('query/x.ts', "export * from '../promql/ast'")).toHaveLength(1)
    expect(of('presets/x.ts', "import type { Config } from '../config.ts'")).toEqual([])
    expect(of('presets/x.ts', "import { loadConfig } from '../config.ts'")).toHaveLength(1)
    expect(of('common/x.ts', '')).toHaveLength(1)
    expect(of('kernels/x.ts', "import { readFileSync } from 'node:fs'")).toHaveLength(1)
    expect(of('query/x.ts', "import { Container } from 'inversify'")).toHaveLength(1)
    expect(of('engines/kafka/x.ts', "import { a } from '../s3/a.ts'")).toHaveLength(1)
    expect(of('engines/kafka/x.ts', "import { a } from '../system-clock.ts'")).toEqual([])
    for (const line of [
      'Date.now()',
      'new Date()',
      'Math.random()',
      'setTimeout(f, 1)',
      'process.env.A',
      'console.log(1)',
      'export enum A {}',
      'let a: any',
      '// TODO',
    ]) {
      expect(of('query/x.ts', line)).toEqual([expect.stringContaining('is not allowed here; write ')])
    }
    expect(of('query/x.ts', '// unlike Date.now(), this clock can be moved')).toEqual([])
  })
})
