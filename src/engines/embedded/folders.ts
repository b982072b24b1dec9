import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** Makes a folder and its parents; when it returns, a power cut takes none of them away. */
export function makeFolderDurably(path: string): void {
  const first = mkdirSync(path, { recursive: true })
  // Every folder that was made has its entry in its parent synced, up to the first that was there.
  for (let at = resolve(path); first !== undefined && at.length >= first.length; at = dirname(at)) syncFolder(dirname(at))
}

/** Makes creations, renames and removals in a folder durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
