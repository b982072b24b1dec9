import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { compareLabels, Labels } from '../../src/domain/labels.ts'
import { type Connection, labelsOrdering, type Ordering, page, textOrdering, textsOrdering } from '../../src/graphql/connections.ts'

/** Walks a list page by page; before each page the list may have changed. */
function walk<Key>(versions: readonly (readonly Key[])[], first: number, ordering: Ordering<Key>): Key[] {
  const seen: Key[] = []
  let after: string | null = null
  for (let turn = 0; ; turn++) {
    const sorted = [...(versions[Math.min(turn, versions.length - 1)] as readonly Key[])].sort(ordering.compare)
    const { nodes, pageInfo }: Connection<Key> = page<Key, Key, Key>(
      sorted,
      { first, after },
      ordering,
      (key) => key,
      (key) => key,
    )
    seen.push(...nodes)
    if (!pageInfo.hasNextPage) return seen
    after = pageInfo.endCursor ?? null
  }
}

const text = fc.string({ unit: 'binary', maxLength: 8 })
const labels = fc
  .dictionary(fc.constantFrom('__name__', 'a', 'b', 'instance'), fc.string({ minLength: 1, maxLength: 3 }))
  .map(Labels.fromObject)

describe('a walk through pages', () => {
  it('sees each element that stays exactly once, in order, whatever comes and goes meanwhile', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(text, { maxLength: 30 }),
        fc.array(fc.array(text, { maxLength: 10 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 7 }),
        (stays, passing, first) => {
          const versions = passing.map((others) => [...new Set([...stays, ...others])])
          const seen = walk(versions, first, textOrdering)
          expect(seen).toEqual([...new Set(seen)].sort(textOrdering.compare))
          expect(seen.filter((one) => stays.includes(one))).toEqual([...stays].sort(textOrdering.compare))
        },
      ),
    )
  })

  it('sees every series once', () => {
    fc.assert(
      fc.property(fc.uniqueArray(labels, { selector: ({ key }) => key, maxLength: 20 }), fc.integer({ min: 1, max: 5 }), (all, first) => {
        const seen = walk([all], first, labelsOrdering)
        expect(seen.map(String)).toEqual([...all].sort(compareLabels).map(String))
      }),
    )
  })
})

describe('an ordering', () => {
  it('reads back each cursor that it writes', () => {
    fc.assert(fc.property(labels, (one) => labelsOrdering.decode(labelsOrdering.encode(one))?.key === one.key))
    fc.assert(
      fc.property(fc.array(text), (one) => textsOrdering.compare(textsOrdering.decode(textsOrdering.encode(one)) ?? ['x', 'y'], one) === 0),
    )
  })

  it('refuses what is no cursor, without failing', () => {
    const refused = (after: string) => expect(() => page(['a'], { after }, labelsOrdering as never, String, String)).toThrow('not a cursor')
    fc.assert(fc.property(fc.string(), (after) => refused(after)))
    for (const json of ['{}', '[1]', '["a"]', 'null', '"a"']) refused(`a${Buffer.from(json).toString('base64url')}`)
  })
})
