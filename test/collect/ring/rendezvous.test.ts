import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { rendezvous } from '../../../src/collect/ring/rendezvous.ts'

const TARGETS = Array.from({ length: 10_000 }, (_, i) => `http://host-${i}.example:9100/metrics\u0000{job="node"}\u000015000/10000`)

function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `collector-${i}/${4000 + i * 7}/${(i * 2654435761).toString(16)}`)
}

describe('rendezvous hashing', () => {
  it.each([2, 3, 5, 10, 30])('spreads 10,000 targets evenly over %i members', (count) => {
    const ownerOf = rendezvous(names(count))
    const sizes = new Map(names(count).map((name) => [name, 0]))
    for (const target of TARGETS) {
      const owner = ownerOf(target) ?? ''
      sizes.set(owner, (sizes.get(owner) ?? 0) + 1)
    }
    const share = TARGETS.length / count
    // Five standard deviations of a fair lot.
    const tolerance = 5 * Math.sqrt(share * (1 - 1 / count))
    for (const size of sizes.values()) expect(Math.abs(size - share)).toBeLessThan(tolerance)
  })

  it.each([1, 2, 3, 9, 29])('moves about 1/N of 10,000 targets when one joins %i, all of them to it', (count) => {
    const newcomer = names(count + 1)[count]
    const [before, after] = [rendezvous(names(count)), rendezvous(names(count + 1))]
    let moved = 0
    for (const target of TARGETS) {
      const [then, now] = [before(target), after(target)]
      if (then === now) continue
      moved++
      if (now !== newcomer) throw new Error(`${target} moved between two that stayed`)
    }
    const share = TARGETS.length / (count + 1)
    expect(Math.abs(moved - share)).toBeLessThan(5 * Math.sqrt(share))
  })

  it('moves just what the leaver had, and does not depend on the order of members', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 12 }),
        fc.array(fc.string(), { maxLength: 50 }),
        (members, keys) => {
          const [leaver, ...rest] = members
          const [before, reversed, after] = [rendezvous(members), rendezvous([...members].reverse()), rendezvous(rest)]
          for (const key of keys) {
            const owner = before(key)
            expect(reversed(key)).toBe(owner)
            if (owner !== leaver) expect(after(key)).toBe(owner)
          }
        },
      ),
    )
  })

  it('has no owner without members', () => expect(rendezvous([])('a')).toBeNull())
})
