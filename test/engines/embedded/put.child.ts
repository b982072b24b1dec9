import { FolderObjectStore } from '../../../src/engines/embedded/objects/folder-object-store.ts'

/** Begins to put an object into the folder that is named, says so, and never ends. */
async function* endless() {
  yield new Uint8Array(100_000)
  process.stdout.write('writing\n')
  await new Promise((resolve) => setTimeout(resolve, 60_000))
}

const store = FolderObjectStore.open({ folder: process.argv[2]! })
await store.putIfAbsent('big', endless())
