/** Which processes of one kind are alive. */
export interface Membership {
  /**
   * Announces this process and yields the names of all that are alive, sorted, its own among them: when it first knows, and again at
   * every change; an empty list while it does not know, such as after it was stopped for long. When `signal` aborts it says good-bye, so that others know at once, and ends.
   */
  members(signal: AbortSignal): AsyncIterable<readonly string[]>
}
