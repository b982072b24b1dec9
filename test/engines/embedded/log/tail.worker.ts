import { parentPort, workerData } from 'node:worker_threads'
import { EmbeddedLogReader } from '../../../../src/engines/embedded/log/log-reader.ts'

/** Tails the log in another thread; tells each record, and that its event loop is free meanwhile. */
const port = parentPort as NonNullable<typeof parentPort> // this file is only ever a worker
const { folder, shared } = workerData as { folder: string; shared: SharedArrayBuffer } // as the test starts it
const log = new EmbeddedLogReader({ folder, topic: 'test', shared })
const ending = new AbortController()
port.on('message', (message: string) => {
  if (message === 'ping') port.postMessage({ pong: true })
  else ending.abort()
})
for await (const { records } of log.read(await log.starts(), ending.signal)) {
  port.postMessage({ records: records.map(({ partition, offset, headers }) => `${partition}@${offset}=${headers.ce_id}`) })
}
port.postMessage({ ended: true })
port.close()
