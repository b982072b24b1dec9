import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { assignSticky, type StickyMember } from '../../../src/engines/kafka/sticky-assigner.ts'

/** Members with claims of any kind: overlapping, unknown, of different generations. */
const groups = fc
  .record({
    partitions: fc.integer({ min: 0, max: 40 }),
    ids: fc.uniqueArray(fc.string({ minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 9 }),
  })
  .chain(({ partitions, ids }) =>
    fc.record({
      partitions: fc.constant(Array.from({ length: partitions }, (_, i) => i)),
      members: fc.tuple(
        ...ids.map((id) =>
          fc.record({
            id: fc.constant(id),
            owned: fc.uniqueArray(fc.nat(45), { maxLength: 45 }),
            generation: fc.nat(4),
          }),
        ),
      ),
    }),
  )

/** The members as they are after an assignment. */
function after(shares: Map<string, number[]>, generation: number): StickyMember[] {
  return [...shares].map(([id, owned]) => ({ id, owned, generation }))
}

/** Partitions of `then` that `now` gives to another. */
function moved(then: Map<string, number[]>, now: Map<string, number[]>): number[] {
  return [...then].flatMap(([id, owned]) => owned.filter((partition) => !now.get(id)?.includes(partition)))
}

describe('the sticky assignment', () => {
  it('gives every partition to exactly one member, evenly, whatever is claimed', () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const shares = assignSticky(members, partitions)
        expect([...shares.keys()].sort()).toEqual(members.map(({ id }) => id).sort())
        expect([...shares.values()].flat().sort((a, b) => a - b)).toEqual(partitions)
        const sizes = [...shares.values()].map(({ length }) => length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('is the same whatever the order of the members and of the partitions', () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const there = assignSticky(members, partitions)
        const back = assignSticky([...members].reverse(), [...partitions].reverse())
        expect(new Map([...back].sort())).toEqual(new Map([...there].sort()))
      }),
    )
  })

  it('changes nothing when nobody came or left', () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const shares = assignSticky(members, partitions)
        expect(moved(shares, assignSticky(after(shares, 5), partitions))).toEqual([])
      }),
    )
  })

  it("moves just the newcomer's share to it, and nothing between the others", () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        const then = assignSticky(members, partitions)
        const now = assignSticky([...after(then, 5), { id: 'newcomer', owned: [], generation: 0 }], partitions)
        expect(moved(then, now).sort((a, b) => a - b)).toEqual(now.get('newcomer'))
        expect(now.get('newcomer')?.length).toBe(Math.floor(partitions.length / (members.length + 1)))
      }),
    )
  })

  it("moves just the leaver's share when one leaves", () => {
    fc.assert(
      fc.property(groups, ({ members, partitions }) => {
        fc.pre(members.length > 1)
        const then = assignSticky(members, partitions)
        const [leaver, ...rest] = after(then, 5)
        expect(moved(then, assignSticky(rest, partitions)).sort((a, b) => a - b)).toEqual([...leaver.owned])
      }),
    )
  })

  it('believes the later generation of two that claim the same partitions', () => {
    const shares = assignSticky(
      [
        { id: 'a', owned: [0, 1], generation: 6 },
        { id: 'b', owned: [0, 1], generation: 7 },
        { id: 'c', owned: [2, 3], generation: 7 },
      ],
      [0, 1, 2, 3, 4, 5],
    )
    expect(Object.fromEntries(shares)).toEqual({ a: [4, 5], b: [0, 1], c: [2, 3] })
  })

  it('gives back what somebody had, when another that took it over has to give up something anyway', () => {
    const shares = assignSticky(
      [
        { id: 'back', owned: [0, 1, 2, 3], generation: 6 },
        { id: 'stayed', owned: [0, 1, 2, 3, 4, 5, 6, 7], generation: 7 },
      ],
      [0, 1, 2, 3, 4, 5, 6, 7],
    )
    expect(Object.fromEntries(shares)).toEqual({ back: [0, 1, 2, 3], stayed: [4, 5, 6, 7] })
  })
})
