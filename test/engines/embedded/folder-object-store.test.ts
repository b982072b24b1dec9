import { spawn } from 'node:child_process'
import { appendFile, chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { FolderObjectStore } from '../../../src/engines/embedded/objects/folder-object-store.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('objects in a folder', () => {
  let dir: string
  let folder: string
  let store: FolderObjectStore

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'tidemark-objects-'))
    folder = join(dir, 'deep', 'archive')
    store = FolderObjectStore.open({ folder })
  })
  afterEach(async () => {
    await store.close()
    await rm(dir, { recursive: true })
  })

  const temporary = () => readdir(join(folder, '.tmp'))
  const listed = async () => {
    const keys: string[] = []
    for await (const page of store.list('')) keys.push(...page.map(({ key }) => key))
    return keys
  }

  it('are files of their own names and bytes, for whoever reads the folder', async () => {
    await store.putIfAbsent('tier=raw/date=2026-11-22/part 1.parquet', bytes('PAR1'))
    expect(await readFile(join(folder, 'tier=raw/date=2026-11-22/part 1.parquet'), 'utf8')).toBe('PAR1')
    expect(await readFile(join(folder, 'tier=raw/date=2026-11-22/.part 1.parquet.crc'), 'utf8')).toMatch(/^\n[0-9a-f]{8} 4\n$/)
  })

  it('are damaged when a bit is another one, or the end is missing, and are named', async () => {
    for (const [key, damage] of [
      ['flipped', 'aXc'],
      ['cut', 'ab'],
    ] as const) {
      await store.putIfAbsent(key, bytes('abc'))
      await writeFile(join(folder, key), damage)
      await expect(store.read(key)).rejects.toMatchObject({
        code: 'CORRUPT',
        message: expect.stringContaining(`object "${key}" is damaged`),
      })
    }
  })

  it('are read without a check when they were copied in without their checksums', async () => {
    await mkdir(join(folder, 'a'))
    await writeFile(join(folder, 'a', 'b'), 'copied')
    expect([Buffer.from((await store.read('a/b'))!).toString(), await listed()]).toEqual(['copied', ['a/b']])
    expect(await store.putIfAbsent('a/b', bytes('x'))).toBe('exists')
  })

  it('keep their checksums when the folder is copied, and a line that was half written does no harm', async () => {
    await store.putIfAbsent('a', bytes('one'))
    const copy = join(dir, 'copy')
    await cp(folder, copy, { recursive: true })
    await appendFile(join(copy, '.a.crc'), '0123')
    const other = FolderObjectStore.open({ folder: copy })
    expect(Buffer.from((await other.read('a'))!).toString()).toBe('one')
    await other.delete('a')
    expect(await other.putIfAbsent('a', bytes('two'))).toBe('created')
    expect(Buffer.from((await other.read('a'))!).toString()).toBe('two')
    await other.close()
  })

  it("can't be a key and the beginning of others", async () => {
    await store.putIfAbsent('a/b', bytes('x'))
    for (const key of ['a', 'a/b/c']) {
      await expect(store.putIfAbsent(key, bytes('y'))).rejects.toMatchObject({
        code: 'OBJECT_KEY',
        retryable: false,
        message: expect.stringContaining('the beginning of other keys'),
      })
      expect([await store.stat(key), await store.read(key)]).toEqual([null, null])
    }
    expect(await temporary()).toEqual([])
  })

  it('leave no folder behind when they are deleted', async () => {
    await store.putIfAbsent('a/b/c', bytes('x'))
    await store.putIfAbsent('a/d', bytes('x'))
    await store.delete('a/b/c')
    expect((await readdir(join(folder, 'a'))).sort()).toEqual(['.d.crc', 'd'])
    await store.delete('a/d')
    expect(await readdir(folder)).toEqual(['.tmp'])
  })

  it('are as old as the clock says', async () => {
    const clock = new VirtualClock(1_700_000_000_000)
    const timed = FolderObjectStore.open({ folder, clock })
    await timed.putIfAbsent('a', bytes('x'))
    expect((await timed.stat('a'))?.modifiedMs).toBe(1_700_000_000_000)
    await timed.close()
  })

  it('are whole or not at all when their writer is killed, and what it left goes with the next start', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('./put.child.ts', import.meta.url)), folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // It says when it is in the middle of a body.
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
    expect([await temporary(), await listed()]).toEqual([[expect.any(String)], []])
    // A store that is opened meanwhile leaves alone what somebody living writes.
    await FolderObjectStore.open({ folder }).close()
    expect(await temporary()).toHaveLength(1)
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    expect([await temporary(), await listed()]).toEqual([[expect.any(String)], []])
    await FolderObjectStore.open({ folder }).close()
    expect([await temporary(), await listed()]).toEqual([[], []])
    expect(await store.putIfAbsent('big', bytes('again'))).toBe('created')
  })

  it("lets go of a machine's half written files that it knows nothing of when they are a day old", async () => {
    const clock = new VirtualClock(Date.UTC(2026, 0, 2))
    for (const [name, ageMs] of [
      ['0123456789abcdef.7.8.young', 3_600_000],
      ['0123456789abcdef.7.8.old', 25 * 3_600_000],
    ] as const) {
      await writeFile(join(folder, '.tmp', name), 'half')
      await utimes(join(folder, '.tmp', name), (clock.nowMs() - ageMs) / 1000, (clock.nowMs() - ageMs) / 1000)
    }
    await FolderObjectStore.open({ folder, clock }).close()
    expect(await temporary()).toEqual(['0123456789abcdef.7.8.young'])
  })

  it('say what is wrong with their folder', async () => {
    await writeFile(join(dir, 'file'), '')
    expect(() => FolderObjectStore.open({ folder: join(dir, 'file') })).toThrow(`object folder ${join(dir, 'file')}: can not be used`)
    if (process.getuid?.() === 0) return
    await chmod(dir, 0o500)
    expect(() => FolderObjectStore.open({ folder: join(dir, 'new') })).toThrow('let the user that Tidemark runs as write there')
    await chmod(dir, 0o700)
  })
})
