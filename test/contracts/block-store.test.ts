import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteBlockStore } from '../../src/engines/embedded/store/sqlite-block-store.ts'
import { blockStoreContract } from './block-store.ts'

blockStoreContract('SQLite files', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-store-'))
  return {
    open: async () => SqliteBlockStore.open({ dir: join(dir, 'blocks') }),
    letsGoAtOnce: true,
    dispose: () => rm(dir, { recursive: true }),
  }
})
