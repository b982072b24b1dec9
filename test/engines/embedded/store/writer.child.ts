import { execFileSync } from 'node:child_process'
import { SqliteBlockStore } from '../../../../src/engines/embedded/store/sqlite-block-store.ts'

/** Puts rows under a bound on the size of files until it is refused; then the bound is lifted, and it goes on. Prints what happened. */
const store = SqliteBlockStore.open({ dir: process.argv[2] as string })
const ref = { table: 'raw', partitionKey: 'p', dayOf: null } as const
const put = (key: number) =>
  store.putSync([{ ...ref, clusteringKey: String(key).padStart(4, '0'), value: new Uint8Array(50_000).fill(key) }])
const held = () => [...store.scanSync(ref)].flat().length

let key = 0
let refused: unknown = null
while (refused === null && key < 1000) {
  try {
    put(key)
    key++
  } catch (error) {
    refused = error
  }
}
const { name, code, retryable } = refused as { name: string; code: string; retryable: boolean }
const heldWhileRefused = held()
execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited'])
put(key)
process.stdout.write(JSON.stringify({ name, code, retryable, acknowledged: key, heldWhileRefused, heldAfter: held() }))
await store.close()
