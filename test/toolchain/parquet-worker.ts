import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { parquetWriteBuffer } from 'hyparquet-writer'

/** What the test hands over: a database file, and values as bits in shared memory. */
export interface ParquetTask {
  readonly database: string
  readonly times: readonly number[]
  readonly values: SharedArrayBuffer
}

// Runs as TypeScript, by Node's own type stripping: `as` and types are gone before it is compiled.
const { database, times, values } = workerData as ParquetTask
const file = parquetWriteBuffer({
  columnData: [
    { name: 'timestamp', data: times.map((ms) => new Date(ms)), type: 'TIMESTAMP' },
    // A dictionary would merge -0 with 0, and all NaNs.
    { name: 'value', data: new Float64Array(values), type: 'DOUBLE', encoding: 'PLAIN' },
  ],
})
const store = new DatabaseSync(database)
store.exec('CREATE TABLE files (name TEXT PRIMARY KEY, bytes BLOB) STRICT, WITHOUT ROWID')
store.prepare('INSERT INTO files VALUES (?, ?)').run('values.parquet', new Uint8Array(file))
store.close()
parentPort?.postMessage(file.byteLength)
