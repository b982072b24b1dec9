import { readFile, statfs } from 'node:fs/promises'
import { arch, hostname, release, version } from 'node:os'

/** Where a machine's numbers come from; a folder of files in tests. */
export interface MachineFiles {
  /** Text of a file below /proc, null if it is not there. */
  read(path: string): Promise<string | null>
  /** Bytes and files of a mounted filesystem; null if it can't be asked. */
  statFilesystem(mountpoint: string): Promise<{ size: number; free: number; available: number; files: number; filesFree: number } | null>
  hostname(): string
  uname(): { release: string; version: string; machine: string }
}

export const systemFiles: MachineFiles = {
  async read(path) {
    try {
      return await readFile(`/proc/${path}`, 'utf8')
    } catch {
      return null
    }
  },
  async statFilesystem(mountpoint) {
    try {
      const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(mountpoint)
      return { size: bsize * blocks, free: bsize * bfree, available: bsize * bavail, files, filesFree: ffree }
    } catch {
      return null
    }
  },
  hostname,
  uname: () => ({ release: release(), version: version(), machine: arch() === 'x64' ? 'x86_64' : arch() === 'arm64' ? 'aarch64' : arch() }),
}
