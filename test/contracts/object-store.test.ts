import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderObjectStore } from '../../src/engines/embedded/objects/folder-object-store.ts'
import { MemoryObjectStore } from '../support/memory-object-store.ts'
import { objectStoreContract } from './object-store.ts'

objectStoreContract('a folder', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-objects-'))
  const folder = join(dir, 'archive')
  return {
    open: async () => FolderObjectStore.open({ folder }),
    hidden: () => readdir(join(folder, '.tmp')),
    pagedObjects: 2500,
    dispose: () => rm(dir, { recursive: true }),
  }
})

// The double of other tests keeps the contract too. It forgets nothing when it is closed.
objectStoreContract('memory', async () => {
  const store = new MemoryObjectStore()
  return { open: async () => store, hidden: async () => [], pagedObjects: 2500, dispose: async () => {} }
})
