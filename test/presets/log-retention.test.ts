import { describe, expect, it } from '@jest/globals'
import type { PartitionOffsets } from '../../src/domain/position.ts'
import { HOUR_MS } from '../../src/domain/time.ts'
import { LogRetention } from '../../src/presets/log-retention.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** A log of one partition whose size and end a test sets. */
function setUp() {
  const clock = new VirtualClock()
  const state = { bytes: 100, end: 10, oldestUnsealed: 0, seals: 0, trimmed: [] as number[] }
  const guard = { full: false }
  const retention = new LogRetention({
    log: {
      stats: () => ({
        bytes: state.bytes,
        segments: 1,
        spares: 0,
        bytesInFlight: 0,
        commits: 0,
        rawBytesWritten: 0,
        bytesWritten: 0,
        partitions: [],
      }),
      ends: async () => new Map([[0, state.end]]),
      trim: async (before: PartitionOffsets) => {
        state.trimmed.push(before.get(0) ?? -1)
      },
    },
    guard,
    projector: {
      async call<Result>(method: string): Promise<Result> {
        if (method === 'seal') {
          state.seals++
          state.oldestUnsealed = state.end
        }
        return new Map([[0, state.oldestUnsealed]]) as Result
      },
    },
    clock,
    logger: silentLogger,
    retentionMs: 24 * HOUR_MS,
    bytesMax: 1000,
  })
  return { clock, state, guard, retention }
}

describe('what the log lets go of', () => {
  it('is older than its retention, and held by sealed blocks', async () => {
    const { clock, state, retention } = setUp()
    await retention.lookOnce()
    state.end = 50
    state.oldestUnsealed = 30
    await clock.advance(23 * HOUR_MS)
    await retention.lookOnce()
    expect(state.trimmed).toEqual([])
    await clock.advance(2 * HOUR_MS)
    await retention.lookOnce()
    expect(state.trimmed).toEqual([10])
    await clock.advance(23 * HOUR_MS)
    await retention.lookOnce()
    // The log ended at 50 a day ago; from 30 on only fresh blocks hold it.
    expect(state.trimmed).toEqual([10, 30])
    expect(state.seals).toBe(0)
  })

  it('is whatever is sealed, once its cap is near, and blocks are sealed for it', async () => {
    const { state, guard, retention } = setUp()
    state.bytes = 850
    await retention.lookOnce()
    expect([state.seals, state.trimmed, guard.full]).toEqual([1, [10], false])
  })

  it('is never more than that: at the cap writes are refused, until there is room again', async () => {
    const { state, guard, retention } = setUp()
    state.bytes = 1000
    await retention.lookOnce()
    expect(guard.full).toBe(true)
    state.bytes = 200
    await retention.lookOnce()
    expect(guard.full).toBe(false)
  })
})
