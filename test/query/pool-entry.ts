// The worker of query-pool.test.ts. The metric's name in a selector says how its reader behaves.
import { parentPort, workerData } from 'node:worker_threads'
import { Labels } from '../../src/domain/labels.ts'
import type { Freshness } from '../../src/domain/ports/freshness.ts'
import type { SeriesReader } from '../../src/domain/ports/series-reader.ts'
import { SystemClock } from '../../src/engines/system-clock.ts'
import { QueryEngine } from '../../src/query/query-engine.ts'
import { serveQueries } from '../../src/query/query-worker.ts'
import { invariant } from '../../src/stdx/invariant.ts'
import { MemorySeries } from '../support/memory-series.ts'

invariant(parentPort, 'a worker has a parent')
const failuresLeft = new Int32Array(workerData.failuresLeft)
if (Atomics.sub(failuresLeft, 0, 1) > 0) throw new Error('no luck at start')

const begun = new Int32Array(workerData.begun)
const series = new MemorySeries({
  'up{job="a"}': [[1000, 1]],
  'up{job="b"}': [[1000, 2]],
})
const points = Array.from({ length: 100 }, (_, n) => [n * 10_000, n] as const)
for (let i = 0; i < 500; i++) series.add(Labels.fromObject({ __name__: 'many', i: `${i}` }), points)

const reader: SeriesReader = {
  async *select(matchers, range, signal, stats) {
    const metric = matchers.find(({ name }) => name === '__name__')?.value ?? ''
    if (metric !== 'up') {
      Atomics.add(begun, 0, 1)
      Atomics.notify(begun, 0)
    }
    if (metric === 'crash') process.exit(7)
    if (metric === 'throws') {
      setImmediate(() => {
        throw new Error('thrown where nobody catches')
      })
    }
    // Hears neither messages nor flags.
    while (metric === 'stuck') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    if (metric === 'waits' || metric === 'throws') {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    }
    yield* series.select(matchers, range, signal, stats)
  },
}

const freshness: Freshness = { pinned: () => ({ position: 'p1_0.5', ageMs: 3 }), waitFor: async () => 'reached' }
serveQueries(parentPort, new QueryEngine({ reader, labels: series, freshness, clock: new SystemClock() }))
