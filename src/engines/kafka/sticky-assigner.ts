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
  const order = [...kept].sort(([a, held], [b, others]) => others.length - held.length || compare(a, b))
  const share = Math.floor(partitions.length / members.length)
  const larger = partitions.length % members.length
  const taken = new Set<number>()
  const shares = new Map<string, number[]>()
  order.forEach(([id, held], i) => {
    const own = held.slice(0, share + (i < larger ? 1 : 0))
    for (const partition of own) taken.add(partition)
    shares.set(id, own)
  })
  const free = partitions.filter((partition) => !taken.has(partition)).sort((a, b) => a - b)
  order.forEach(([id], i) => {
    const own = shares.get(id) ?? []
    own.push(...free.splice(0, share + (i < larger ? 1 : 0) - own.length))
    own.sort((a, b) => a - b)
  })
  return shares
}

/** By member, the partitions that it alone, or it last, was given; sorted. */
function claimsOf(members: readonly StickyMember[], known: ReadonlySet<number>): Map<string, number[]> {
  const holders = new Map<number, StickyMember>()
  for (const member of members) {
    for (const partition of member.owned) {
      const rival = holders.get(partition)
      const wins =
        rival === undefined ||
        member.generation > rival.generation ||
        (member.generation === rival.generation && compare(member.id, rival.id) < 0)
      if (known.has(partition) && wins) holders.set(partition, member)
    }
  }
  const claims = new Map<string, number[]>(members.map(({ id }) => [id, []]))
  for (const [partition, { id }] of holders) claims.get(id)?.push(partition)
  for (const held of claims.values()) held.sort((a, b) => a - b)
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
