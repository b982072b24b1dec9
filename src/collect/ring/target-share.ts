import type { Membership } from '../../domain/ports/membership.ts'
import { rendezvous } from './rendezvous.ts'

/** Which targets are this collector's. */
export interface TargetShare {
  owns(targetKey: string): boolean
  /** Calls `listener` after each change of what is owned. @returns ends that */
  onChange(listener: () => void): () => void
}

/** Shares targets among the members that are alive. Owns nothing before it knows them. */
export class RingShare implements TargetShare {
  readonly #name: string
  readonly #listeners = new Set<() => void>()
  #ownerOf = rendezvous([])

  /** `name` is this process' own among the members. */
  constructor(name: string) {
    this.#name = name
  }

  /** Follows the members until `signal` aborts. */
  async follow(membership: Membership, signal: AbortSignal): Promise<void> {
    for await (const members of membership.members(signal)) {
      this.#ownerOf = rendezvous(members)
      for (const listener of this.#listeners) listener()
    }
  }

  owns(targetKey: string): boolean {
    return this.#ownerOf(targetKey) === this.#name
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
