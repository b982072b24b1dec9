import { readFileSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'

const text = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')

interface Manifest {
  readonly license: string
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies: Readonly<Record<string, string>>
}

interface LockFile {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly resolved?: string; readonly integrity?: string; readonly link?: boolean }>
  >
}

const manifest = JSON.parse(text('package.json')) as Manifest
const lock = JSON.parse(text('package-lock.json')) as LockFile
const wanted = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies }

/** Rows of the tables of docs/dependencies.md: | `name` | version | why | */
const documented = [...text('docs/dependencies.md').matchAll(/^\| `([^`]+)` \| (\S+) \| (.+) \|$/gm)].map(
  ([, name = '', version = '', reason = '']) => ({
    name,
    version,
    reason,
  }),
)

describe('dependencies', () => {
  it('have exact versions', () => {
    for (const [name, version] of Object.entries(wanted)) expect([name, version]).toEqual([name, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
  })

  it('are each documented with their version and reason, and nothing else is', () => {
    const rows = documented.map(({ name, version }) => `${name} ${version}`)
    expect(rows.sort()).toEqual(
      Object.entries(wanted)
        .map(([name, version]) => `${name} ${version}`)
        .sort(),
    )
    for (const { name, reason } of documented) expect([name, reason.length > 10]).toEqual([name, true])
  })

  it('are locked at those versions', () => {
    for (const [name, version] of Object.entries(wanted))
      expect([name, lock.packages[`node_modules/${name}`]?.version]).toEqual([name, version])
  })
})

describe('the lock file', () => {
  it('names no registry, so that any mirror serves', () => {
    const named = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined && !entry.link)
    expect(named.map(([path]) => path)).toEqual([])
  })

  it('has a checksum for whatever is installed', () => {
    const without = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && !entry.link && !entry.integrity)
    expect(without.map(([path]) => path)).toEqual([])
  })
})

describe('the project', () => {
  it('is licensed as it says', () => {
    expect(manifest.license).toBe('Apache-2.0')
    expect(text('LICENSE')).toContain('Apache License\n                           Version 2.0, January 2004')
  })

  it('installs nothing by a script of its own', () => {
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(manifest.scripts).not.toHaveProperty(name)
  })
})
