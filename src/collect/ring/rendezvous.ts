/**
 * Highest random weight: each member has a weight for each key, and the heaviest owns it. So when a member joins or leaves, only what it
 * takes or held moves, about one in N, and everybody who knows the same members comes to the same owner without asking.
 *
 * @returns the owner of a key; null when there are no members
 */
export function rendezvous(members: readonly string[]): (key: string) => string | null {
  // In the order of names, so that the first of equal weights is the same for everybody.
  const names = [...members].sort()
  const seeds = names.map((name) => mix(hash(name)))
  return (key) => {
    const hashed = hash(key)
    let owner: string | null = null
    let heaviest = -1
    for (let i = 0; i < names.length; i++) {
      const weight = mix(hashed ^ seeds[i])
      if (weight <= heaviest) continue
      heaviest = weight
      owner = names[i]
    }
    return owner
  }
}

/** FNV-1a over UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** The finaliser of MurmurHash3: every bit of the input turns about half of the output's. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
