import { parentPort, workerData } from 'node:worker_threads'
import { SqliteBlockStore } from '../../../../src/engines/embedded/store/sqlite-block-store.ts'

/** Answers each partition it is asked for with the keys it sees. */
const port = parentPort as NonNullable<typeof parentPort> // this file is only ever a worker
const store = SqliteBlockStore.open({ dir: (workerData as { dir: string }).dir, readOnly: true }) // as the test starts it
port.on('message', (ref) => {
  if (ref === null) return port.close()
  port.postMessage([...store.scanSync(ref)].flat().map(({ clusteringKey }) => clusteringKey))
})
