import { describe, expect, it } from '@jest/globals'
import { SystemClock, SystemRandom } from '../../src/engines/system-clock.ts'
import { SeededRandom, VirtualClock } from './virtual-clock.ts'

describe('VirtualClock', () => {
  it('wakes sleepers in the order of their times, each at its own time', async () => {
    const clock = new VirtualClock(1000)
    const woken: string[] = []
    const sleeper = async (name: string, ms: number) => {
      await clock.sleep(ms)
      woken.push(`${name}@${clock.nowMs()}`)
    }
    void sleeper('late', 30)
    void sleeper('early', 10)
    void sleeper('never', 500)
    await clock.advance(100)
    expect(woken).toEqual(['early@1010', 'late@1030'])
    expect([clock.nowMs(), clock.monotonicMs(), clock.sleeping]).toEqual([1100, 100, 1])
  })

  it('wakes a loop as often as its period fits', async () => {
    const clock = new VirtualClock()
    let rounds = 0
    void (async () => {
      for (;;) {
        await clock.sleep(10)
        rounds++
      }
    })()
    await clock.advance(95)
    expect(rounds).toBe(9)
    await clock.advance(5)
    expect(rounds).toBe(10)
  })

  it('rejects with the reason of its signal and forgets the sleeper', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const asleep = clock.sleep(10, stop.signal)
    stop.abort('enough')
    await expect(asleep).rejects.toBe('enough')
    await expect(clock.sleep(10, stop.signal)).rejects.toBe('enough')
    expect(clock.sleeping).toBe(0)
  })

  it('lets the wall clock jump without waking anyone', async () => {
    const clock = new VirtualClock(1000)
    void clock.sleep(10)
    clock.setWall(0)
    await clock.advance(5)
    expect([clock.nowMs(), clock.monotonicMs(), clock.sleeping]).toEqual([5, 5, 1])
  })
})

describe('SystemClock', () => {
  it('sleeps, and wakes with the reason of its signal', async () => {
    const clock = new SystemClock()
    const startMs = clock.monotonicMs()
    await clock.sleep(5)
    expect(clock.monotonicMs() - startMs).toBeGreaterThan(3)
    const stop = new AbortController()
    const asleep = clock.sleep(2 ** 40, stop.signal)
    stop.abort('enough')
    await expect(asleep).rejects.toBe('enough')
    await expect(clock.sleep(1, stop.signal)).rejects.toBe('enough')
  })
})

describe('chance', () => {
  it('is the same for the same seed, and spread over [0, 1)', () => {
    const a = new SeededRandom(7)
    const b = new SeededRandom(7)
    const drawn = Array.from({ length: 1000 }, () => a.next())
    expect(Array.from({ length: 1000 }, () => b.next())).toEqual(drawn)
    expect(new SeededRandom(8).next()).not.toBe(drawn[0])
    for (const value of drawn) expect(value >= 0 && value < 1).toBe(true)
    expect(drawn.reduce((sum, value) => sum + value, 0) / 1000).toBeCloseTo(0.5, 1)
  })

  it('gives bytes that nobody else holds', () => {
    const bytes = new SystemRandom().bytes(16)
    expect([bytes.length, bytes.buffer.byteLength]).toEqual([16, 16])
  })
})
