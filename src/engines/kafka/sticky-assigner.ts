import kafkajs, { type Assigner, type PartitionAssigner } from 'kafkajs'

/** What a member of the group says of itself when it joins. */
export interface StickyMember {
  readonly id: string
  /** Partitions that it held last. */
  readonly owned: readonly number[]
  /** The group's generation in which it got them: of two that claim a partition, the later has it. */
  readonly generation: number
}

/** What a member brings to the next assignment. */
export type Claim = Pick<StickyMember, 'owned' | 'generation'>

/** Part of the group's protocol: members with another assigner can't join. */
const ASSIGNER_NAME = 'tidemark-sticky'
const VERSION = 1

/**
 * Shares partitions so that sizes differ by at most one, and as few as possible change hands: what moves costs a restart from a
 * checkpoint. The same members and partitions give the same answer, in whatever order they come.
 *
 * @returns sorted partitions by member id; every member is in it
 */
export function assignSticky(members: readonly StickyMember[], partitions: readonly number[]): Map<string, number[]> {
  const kept = claimsOf(members, new Set(partitions))
  // Whoever holds most comes first: the shares that are larger by one go to those who can keep more with them.
  const order = [...members].sort((a, b) => sizeOf(kept, b.id) - sizeOf(kept, a.id) || compare(a.id, b.id))
  const share = Math.floor(partitions.length / members.length)
  const larger = partitions.length % members.length
  const shares = order.map(({ id, owned }, i) => {
    const size = share + (i < larger ? 1 : 0)
    return { id, size, wanted: new Set(owned), own: (kept.get(id) ?? []).slice(0, size) }
  })
  const taken = new Set(shares.flatMap(({ own }) => own))
  let free = partitions.filter((partition) => !taken.has(partition)).sort((a, b) => a - b)
  const give = (to: (typeof shares)[number], wishes: (partition: number) => boolean) => {
    const gift = new Set(free.filter(wishes).slice(0, to.size - to.own.length))
    to.own.push(...gift)
    free = free.filter((partition) => !gift.has(partition))
  }
  // What somebody had before another got it comes back to him first.
  for (const to of shares) give(to, (partition) => to.wanted.has(partition))
  for (const to of shares) give(to, () => true)
  return new Map(shares.map(({ id, own }) => [id, own.sort((a, b) => a - b)]))
}

function sizeOf(claims: ReadonlyMap<string, readonly number[]>, id: string): number {
  return claims.get(id)?.length ?? 0
}

/** By member, the partitions that it alone claims or that it was given last; those that nobody else claims first, then by number. */
function claimsOf(members: readonly StickyMember[], known: ReadonlySet<number>): Map<string, number[]> {
  const holders = new Map<number, StickyMember>()
  const contested = new Set<number>()
  for (const member of members) {
    for (const partition of member.owned) {
      if (!known.has(partition)) continue
      const rival = holders.get(partition)
      if (rival !== undefined) contested.add(partition)
      const wins =
        rival === undefined ||
        member.generation > rival.generation ||
        (member.generation === rival.generation && compare(member.id, rival.id) < 0)
      if (wins) holders.set(partition, member)
    }
  }
  const claims = new Map<string, number[]>(members.map(({ id }) => [id, []]))
  for (const [partition, { id }] of holders) claims.get(id)?.push(partition)
  for (const held of claims.values()) held.sort((a, b) => Number(contested.has(a)) - Number(contested.has(b)) || a - b)
  return claims
}

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

/** Speaks kafkajs' protocol for `assignSticky`; `claim` is asked whenever this member joins. */
export function stickyAssigner(claim: () => Claim): PartitionAssigner {
  return ({ cluster }): Assigner => ({
    name: ASSIGNER_NAME,
    version: VERSION,
    async assign({ members, topics }) {
      const sticky = members.map(({ memberId, memberMetadata }) => ({ id: memberId, ...decodeClaim(memberMetadata) }))
      // Members of one group share one topic.
      const [topic] = topics
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId)
      return [...assignSticky(sticky, partitions)].map(([memberId, own]) => ({
        memberId,
        memberAssignment: kafkajs.AssignerProtocol.MemberAssignment.encode({
          version: VERSION,
          assignment: { [topic]: own },
          userData: Buffer.alloc(0),
        }),
      }))
    },
    protocol({ topics }) {
      const userData = Buffer.from(JSON.stringify(claim()))
      return { name: ASSIGNER_NAME, metadata: kafkajs.AssignerProtocol.MemberMetadata.encode({ version: VERSION, topics, userData }) }
    },
  })
}

/** A claim that can't be read claims nothing: its member still gets its share. */
function decodeClaim(metadata: Buffer): Claim {
  const nothing = { owned: [], generation: 0 }
  try {
    const userData = kafkajs.AssignerProtocol.MemberMetadata.decode(metadata)?.userData
    if (!userData || userData.length === 0) return nothing
    const { owned, generation } = JSON.parse(userData.toString()) as Partial<Claim>
    if (!Array.isArray(owned) || !owned.every(Number.isSafeInteger) || !Number.isSafeInteger(generation)) return nothing
    return { owned, generation: generation ?? 0 }
  } catch {
    return nothing
  }
}
