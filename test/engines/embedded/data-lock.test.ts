import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { lockDataFolder } from '../../../src/engines/embedded/data-lock.ts'

const LOCK_URL = new URL('../../../src/engines/embedded/data-lock.ts', import.meta.url).href

let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-lock-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Another process that takes the lock and keeps it. */
async function holder(): Promise<ChildProcess> {
  const script = `const { lockDataFolder } = await import(${JSON.stringify(LOCK_URL)}); globalThis.lock = lockDataFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--disable-warning=ExperimentalWarning', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await once(child.stdout!, 'data')
  return child
}

describe('the lock of a data folder', () => {
  it('makes the folder, is given back, and can be taken again', () => {
    const nested = join(folder, 'a', 'b')
    lockDataFolder(nested).release()
    expect(existsSync(join(nested, 'pid'))).toBe(false)
    const again = lockDataFolder(nested)
    again.release()
    again.release()
  })

  it('is refused to a second holder in the same process', () => {
    const lock = lockDataFolder(folder)
    expect(() => lockDataFolder(folder)).toThrow(`data folder ${folder} is in use by process ${process.pid}`)
    lock.release()
  })

  it('is refused while another process holds it, naming that process, and free at once after kill -9', async () => {
    const child = await holder()
    expect(() => lockDataFolder(folder)).toThrow(
      expect.objectContaining({ code: 'DATA_IN_USE', message: expect.stringContaining(`process ${child.pid}`) }),
    )
    child.kill('SIGKILL')
    await once(child, 'exit')
    lockDataFolder(folder).release()
  })

  it('does not believe a process id that was left behind', () => {
    // This very process certainly lives, and does not hold the lock.
    writeFileSync(join(folder, 'pid'), `${process.pid}\n`)
    lockDataFolder(folder).release()
  })

  it('says what is wrong with a folder that is none', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    expect(() => lockDataFolder(file)).toThrow(expect.objectContaining({ code: 'DATA_UNUSABLE', message: expect.stringContaining(file) }))
  })
})
