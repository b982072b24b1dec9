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

  /**
   * Follows the members until `signal` aborts. Ends when the others have been told, and owns nothing from then on. So whoever leaves ends
   * this before it stops its ScrapeManager: the others begin at once, while it finishes what it has begun.
   */
  async follow(membership: Membership, signal: AbortSignal): Promise<void> {
    for await (const members of membership.members(signal)) this.#change(members)
    this.#change([])
  }

  owns(targetKey: string): boolean {
    return this.#ownerOf(targetKey) === this.#name
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #change(members: readonly string[]): void {
    this.#ownerOf = rendezvous(members)
    for (const listener of this.#listeners) listener()
  }
}
