import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { digestOf, filesBelow, findNode, hand, installReason, lockDigest } from '../../scripts/bootstrap.mjs'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-bootstrap-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(path: string, content: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), content)
}

const lock = (packages: Record<string, unknown>) => JSON.stringify({ packages: { '': { name: 'x' }, ...packages } })

describe('installing', () => {
  it('happens at the first start', () => {
    write('package-lock.json', lock({}))
    expect(installReason(folder)).toBe('first start')
  })

  it('happens again when the lock file has changed, and not before', () => {
    write('package-lock.json', lock({ 'node_modules/a': { version: '1.0.0' } }))
    write('node_modules/.tidemark-lock', `${lockDigest(folder)}\n`)
    expect(installReason(folder)).toBeNull()
    write('package-lock.json', lock({ 'node_modules/a': { version: '1.0.1' } }))
    expect(installReason(folder)).toBe('package-lock.json changed')
  })

  it('is not repeated where someone ran npm ci himself', () => {
    const packages = { 'node_modules/a': { version: '1.0.0' } }
    write('package-lock.json', lock({ ...packages, 'node_modules/for-another-system': { version: '1.0.0', optional: true } }))
    write('node_modules/.package-lock.json', lock(packages))
    expect(installReason(folder)).toBeNull()
    expect(readFileSync(join(folder, 'node_modules/.tidemark-lock'), 'utf8')).toBe(`${lockDigest(folder)}\n`)
  })

  it('is repeated where what is installed differs, lacks something or has more', () => {
    const installed = lock({ 'node_modules/a': { version: '1.0.0' } })
    const wanted = [
      lock({ 'node_modules/a': { version: '1.0.1' } }),
      lock({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } }),
      lock({}),
    ]
    for (const text of wanted) {
      write('package-lock.json', text)
      write('node_modules/.package-lock.json', installed)
      expect(installReason(folder)).toBe('package-lock.json changed')
    }
    write('node_modules/.package-lock.json', 'cut off {')
    expect(installReason(folder)).toBe('package-lock.json changed')
  })
})

describe('finding Node', () => {
  const bundled = () => join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')

  it('takes the running one if it is new enough', () => {
    expect(findNode(folder, { version: '24.0.0', path: '/usr/bin/node' })).toBe('/usr/bin/node')
    expect(findNode(folder, { version: '25.1.0', path: '/usr/bin/node' })).toBe('/usr/bin/node')
  })

  it('takes the installed one otherwise, if it runs here', () => {
    write(bundled().slice(folder.length + 1), '#!/bin/sh\nexit 0\n')
    chmodSync(bundled(), 0o755)
    expect(findNode(folder, { version: '20.20.2', path: '/usr/bin/node' })).toBe(bundled())
    write(bundled().slice(folder.length + 1), '#!/bin/sh\nexit 1\n')
    expect(() => findNode(folder, { version: '20.20.2', path: '/usr/bin/node' })).toThrow(
      'Tidemark runs on Node 24 or newer. This is Node 20.20.2',
    )
  })

  it('says what to do if there is none', () => {
    expect(() => findNode(folder, { version: '20.20.2', path: '/usr/bin/node' })).toThrow('Install Node 24')
  })
})

describe('what is stale', () => {
  it('is seen by content: a touch changes nothing; an edit, a new and a deleted file do', () => {
    write('src/a.ts', 'a')
    write('src/deep/b.ts', 'b')
    const digests = [digestOf(folder, ['src'])]
    utimesSync(join(folder, 'src/a.ts'), 1, 1)
    expect(digestOf(folder, ['src'])).toBe(digests[0])
    const changes = [
      () => write('src/a.ts', 'A'),
      () => write('src/c.ts', ''),
      () => rmSync(join(folder, 'src/c.ts')),
      () => write('src/a.ts', 'a'),
    ]
    for (const change of changes) {
      change()
      digests.push(digestOf(folder, ['src']))
    }
    expect(digests[3]).toBe(digests[1])
    expect(digests[4]).toBe(digests[0])
    expect(new Set(digests).size).toBe(3)
  })

  it('leaves out packages and what is not there', () => {
    write('console/a.ts', '')
    write('console/node_modules/b/c.ts', '')
    write('console/sub/node_modules/d.ts', '')
    expect(filesBelow(folder, 'console')).toEqual(['console/a.ts'])
    expect(filesBelow(folder, 'absent')).toEqual([])
    expect(filesBelow(folder, 'console/a.ts')).toEqual(['console/a.ts'])
  })
})

describe('a command that is run for the user', () => {
  const script = (code: string) => ['--eval', code]

  it('hands its exit code on, also that of a signal', async () => {
    expect(await hand(process.execPath, script('process.exit(7)'))).toBe(7)
    expect(await hand(process.execPath, script("process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)"))).toBe(143)
  })

  it('gets the signals that its parent gets', async () => {
    // In a process of its own: a signal to this one would end the tests.
    const inner = "process.on('SIGHUP', () => process.exit(9)); console.log('ready'); setInterval(() => {}, 1000)"
    const outer = `const { hand } = await import(${JSON.stringify(new URL('../../scripts/bootstrap.mjs', import.meta.url).href)})
      process.exitCode = await hand(process.execPath, ['--eval', ${JSON.stringify(inner)}], { signals: ['SIGHUP'] })`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', outer], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill('SIGHUP')
    expect(await once(child, 'exit')).toEqual([9, null])
  })
})
