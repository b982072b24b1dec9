import { describe, expect, it } from '@jest/globals'
import { decodeMembershipEvent } from '../../../src/domain/events/membership-events.ts'
import { VirtualClock } from '../../support/virtual-clock.ts'
import { MemoryLog, membershipOf, ProcessClock } from './fleet.ts'

/** A member and what it was told: "a b" for a list of names, "-" for an empty one. */
class Member {
  readonly told: string[] = []
  readonly clock: ProcessClock
  readonly #ending = new AbortController()
  readonly #done: Promise<void>

  constructor(clock: VirtualClock, log: MemoryLog, name: string) {
    this.clock = new ProcessClock(clock)
    const membership = membershipOf(log, name, this.clock)
    this.#done = (async () => {
      for await (const names of membership.members(this.#ending.signal)) this.told.push(names.join(' ') || '-')
    })()
  }

  async leave(): Promise<void> {
    this.#ending.abort()
    await this.#done
  }
}

function setUp() {
  const clock = new VirtualClock()
  const log = new MemoryLog(clock)
  return { clock, log, join: (name: string) => new Member(clock, log, name) }
}

describe('membership through the log', () => {
  it('is known to all at once when somebody joins or leaves', async () => {
    const { clock, join } = setUp()
    const a = join('a')
    await clock.advance(5000)
    expect(a.told).toEqual(['a'])
    const b = join('b')
    await clock.advance(10)
    expect([a.told, b.told]).toEqual([['a', 'a b'], ['a b']])
    await clock.advance(60_000)
    await a.leave()
    await clock.advance(10)
    expect([a.told, b.told]).toEqual([
      ['a', 'a b'],
      ['a b', 'b'],
    ])
    await b.leave()
  })

  it('takes the silent for dead after six seconds', async () => {
    const { clock, join } = setUp()
    const [a, b] = [join('a'), join('b')]
    await clock.advance(10_000)
    b.clock.stop()
    await clock.advance(3900)
    expect(a.told.at(-1)).toBe('a b')
    await clock.advance(2400)
    expect(a.told.at(-1)).toBe('a')
    await a.leave()
  })

  it('a joiner is not misled by the signs of those that died before', async () => {
    const { clock, log, join } = setUp()
    join('a').clock.stop()
    const b = join('b')
    await clock.advance(10_000)
    b.clock.stop()
    await clock.advance(3000)
    const c = join('c')
    await clock.advance(10)
    expect(c.told).toEqual(['b c'])
    await clock.advance(4000)
    expect(c.told).toEqual(['b c', 'c'])
    expect(log.records.length).toBeGreaterThan(5)
    await c.leave()
  })

  it('keeps its view while the log is away, however long, and after it', async () => {
    const { clock, log, join } = setUp()
    const [a, b] = [join('a'), join('b')]
    await clock.advance(9000)
    const before = [[...a.told], [...b.told]]
    log.away = true
    await clock.advance(120_000)
    expect([a.told, b.told]).toEqual(before)
    log.away = false
    await clock.advance(30_000)
    expect([a.told, b.told]).toEqual(before)
    // Who died meanwhile is found out then.
    log.away = true
    await clock.advance(10_000)
    b.clock.stop()
    log.away = false
    await clock.advance(8000)
    expect(a.told.at(-1)).toBe('a')
    await a.leave()
  })

  it('who was stopped knows nothing on waking, until its own sign has come back', async () => {
    const { clock, log, join } = setUp()
    const [a, b] = [join('a'), join('b')]
    await clock.advance(10_000)
    b.clock.stop()
    await clock.advance(20_000)
    expect(a.told.at(-1)).toBe('a')
    const c = join('c')
    await clock.advance(10)
    log.away = true
    b.clock.goOn()
    await clock.advance(1000)
    expect(b.told.at(-1)).toBe('-')
    log.away = false
    await clock.advance(600)
    expect([a, b, c].map(({ told }) => told.at(-1))).toEqual(['a b c', 'a b c', 'a b c'])
    for (const member of [a, b, c]) await member.leave()
  })

  it('writes events that a stranger can read by their headers', async () => {
    const { clock, log, join } = setUp()
    const a = join('host/12/ab')
    await clock.advance(10)
    await a.leave()
    expect(log.records.map(({ headers, payload }) => [headers.ce_type, headers.ce_id, new TextDecoder().decode(payload)])).toEqual([
      ['tidemark.collector.seen.v1', 'host%2F12%2Fab-1', '{"name":"host/12/ab","sequence":1}'],
      ['tidemark.collector.left.v1', 'host%2F12%2Fab-2', '{"name":"host/12/ab","sequence":2}'],
    ])
    const [{ headers }] = log.records
    for (const damaged of ['', '{}', '[1]', '{"name":5,"sequence":1}', '{"name":"a","sequence":"1"}'])
      expect(decodeMembershipEvent(headers, new TextEncoder().encode(damaged))).toBeNull()
    expect(decodeMembershipEvent({ ce_type: 'tidemark.collector.seen.v2' }, log.records[0].payload)).toBeNull()
  })
})
