import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteBlockStore } from '../../src/engines/embedded/store/sqlite-block-store.ts'
import { MemoryBlockStore } from '../support/memory-block-store.ts'
import { blockStoreContract } from './block-store.ts'

blockStoreContract('SQLite files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-store-'))
  return {
    open: async () => SqliteBlockStore.open({ dir: join(dir, 'blocks') }),
    letsGoAtOnce: true,
    dispose: () => rm(dir, { recursive: true }),
  }
})

// The double of other tests keeps the contract too. It forgets nothing when it is closed.
blockStoreContract('memory', async () => {
  const store = new MemoryBlockStore()
  return { open: async () => store, letsGoAtOnce: true, dispose: async () => {} }
})
