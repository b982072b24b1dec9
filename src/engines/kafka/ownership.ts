import type { Consumer, Kafka } from 'kafkajs'
import { EngineError } from '../../domain/errors.ts'
import type { Clock } from '../../domain/ports/clock.ts'
import type { PartitionOwnership } from '../../domain/ports/partition-ownership.ts'
import type { Logger } from '../../telemetry/log.ts'
import { OwnedPartitions } from './owned-partitions.ts'
import { type Claim, stickyAssigner } from './sticky-assigner.ts'

export interface KafkaOwnershipParts {
  readonly kafka: Pick<Kafka, 'consumer'>
  /** Its partitions are shared. */
  readonly topic: string
  /** Those with the same group share. */
  readonly groupId: string
  /** Who is silent for so long has lost his partitions; within the broker's bounds (6 s to 30 min unless it is told otherwise). */
  readonly sessionTimeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** kafkajs looks for the end of a heartbeat's interval this often; it sleeps so long as there is nothing to fetch. */
const LOOK_MS = 200
/** How long leaving may take before the session is left to expire. */
const LEAVE_MS = 2000
const REJOIN_MS = 500

/**
 * Shares partitions by membership of a Kafka consumer group. The consumer behind it reads and commits nothing, all its partitions are
 * paused: it heartbeats and takes part in assignments, which keep partitions where they are (sticky-assigner.ts).
 *
 * Rejoins by itself whatever happens to brokers. Ends only with the signal, or with an EngineError that is not retryable: refused
 * credentials, no permission, a session timeout that the broker does not accept, a group of another kind under the same name.
 */
export class KafkaOwnership implements PartitionOwnership {
  readonly #parts: KafkaOwnershipParts

  constructor(parts: KafkaOwnershipParts) {
    this.#parts = parts
  }

  async *owned(signal: AbortSignal): AsyncGenerator<readonly number[], void, undefined> {
    const ending = new AbortController()
    const both = AbortSignal.any([signal, ending.signal])
    const partitions = new OwnedPartitions()
    const membership = new GroupMembership(this.#parts, partitions)
    // Apart from the reader: whoever is busy with his partitions must leave the group in time all the same.
    const running = membership.run(both).then(
      () => partitions.end(),
      (error: unknown) => partitions.fail(error),
    )
    try {
      yield* partitions.values()
    } finally {
      ending.abort()
      await running
    }
  }
}

/** One process' membership, over as many consumers as it takes. */
class GroupMembership {
  readonly #parts: KafkaOwnershipParts
  readonly #partitions: OwnedPartitions
  /** What the group gave this member last; claimed when it joins again. */
  #assigned: Claim = { owned: [], generation: 0 }
  /** Monotonic time at which the newest request was sent by whose answer the group is known to count on this member. */
  #aliveMs = Number.NEGATIVE_INFINITY
  /** The same of the newest answer of any kind. */
  #sentMs = Number.NEGATIVE_INFINITY
  /** Since when it waits for a new assignment: the group can't give its partitions away before it has answered. */
  #joiningMs: number | null = null
  #out = true

  constructor(parts: KafkaOwnershipParts, partitions: OwnedPartitions) {
    this.#parts = parts
    this.#partitions = partitions
  }

  async run(signal: AbortSignal): Promise<void> {
    const ending = new AbortController()
    const watching = this.#watch(AbortSignal.any([signal, ending.signal]))
    try {
      while (!signal.aborted) {
        const crash = await this.#consume(signal)
        if (crash === null || signal.aborted) return
        if (!isRetryable(crash)) throw refusal(this.#parts, crash)
        this.#parts.logger.warn({ group: this.#parts.groupId, error: crash.message }, 'the group was lost; joining again')
        await this.#parts.clock.sleep(REJOIN_MS, signal).catch(() => {})
      }
    } finally {
      ending.abort()
      await watching
    }
  }

  /** @returns why it ended; null when it was told to */
  async #consume(signal: AbortSignal): Promise<Error | null> {
    const { kafka, topic, groupId, sessionTimeoutMs } = this.#parts
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.min(500, Math.floor(sessionTimeoutMs / 10)),
      maxWaitTimeInMs: LOOK_MS,
      allowAutoTopicCreation: false,
      partitionAssigners: [stickyAssigner(() => this.#assigned)],
      // Given up early and begun anew here: kafkajs' own restarts are silent and wait up to half a minute.
      retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 6, restartOnFailure: async () => false },
    })
    const crashed = Promise.withResolvers<Error>()
    consumer.on(consumer.events.CRASH, ({ payload }) => crashed.resolve(payload.error))
    this.#listen(consumer)
    const started = (async () => {
      await consumer.connect()
      await consumer.subscribe({ topic })
      await consumer.run({ autoCommit: false, eachBatch: async () => {} })
    })()
    const stopped = new Promise<null>((resolve) => {
      if (signal.aborted) resolve(null)
      signal.addEventListener('abort', () => resolve(null), { once: true })
    })
    try {
      return await Promise.race([started.then(() => crashed.promise), crashed.promise, stopped])
    } catch (error) {
      return error as Error
    } finally {
      await this.#leave(consumer, started)
    }
  }

  #listen(consumer: Consumer): void {
    const { topic, clock } = this.#parts
    const { GROUP_JOIN, HEARTBEAT, REBALANCING, REQUEST } = consumer.events
    // An answer proves that the member was alive when it asked: the process may have been stopped since.
    consumer.on(REQUEST, ({ payload }) => {
      const asksForLife = payload.apiName === 'Heartbeat' || payload.apiName === 'SyncGroup'
      if (asksForLife) this.#sentMs = clock.monotonicMs() - payload.duration
    })
    consumer.on(GROUP_JOIN, ({ payload }) => {
      consumer.pause([{ topic }])
      const owned = [...(payload.memberAssignment[topic] ?? [])].sort((a, b) => a - b)
      // kafkajs tells the generation with the first heartbeat; it is later than the last one in any case.
      this.#assigned = { owned, generation: this.#assigned.generation + 1 }
      this.#alive()
    })
    consumer.on(HEARTBEAT, ({ payload }) => {
      this.#assigned = { owned: this.#assigned.owned, generation: payload.groupGenerationId }
      if (this.#joiningMs === null) this.#alive()
    })
    consumer.on(REBALANCING, () => {
      this.#joiningMs ??= clock.monotonicMs()
    })
  }

  #alive(): void {
    this.#aliveMs = this.#sentMs
    this.#joiningMs = null
    // The answer to a question from before a long stop proves nothing.
    if (this.#parts.clock.monotonicMs() - this.#aliveMs >= this.#parts.sessionTimeoutMs) return
    this.#out = false
    this.#partitions.set(this.#assigned.owned)
  }

  /** Finds out, also after the process was stopped, that the group must have given its partitions to others. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, sessionTimeoutMs } = this.#parts
    let lookedMs = clock.monotonicMs()
    while (!signal.aborted) {
      await clock.sleep(Math.min(200, sessionTimeoutMs / 20), signal).catch(() => {})
      const now = clock.monotonicMs()
      const silent = this.#joiningMs === null ? now - this.#aliveMs >= sessionTimeoutMs : now - this.#joiningMs >= 2 * sessionTimeoutMs
      if ((silent || now - lookedMs >= sessionTimeoutMs) && !this.#out) this.#lose()
      lookedMs = now
    }
  }

  #lose(): void {
    const { logger, groupId, sessionTimeoutMs } = this.#parts
    this.#out = true
    this.#partitions.set([])
    logger.warn(
      { group: groupId, sessionTimeoutMs },
      'no sign of life reached the group for its session timeout: others may own its partitions',
    )
  }

  async #leave(consumer: Consumer, started: Promise<void>): Promise<void> {
    const { clock, logger, groupId } = this.#parts
    const waiting = new AbortController()
    // While it is still joining kafkajs has no member to take out.
    const left = started
      .catch(() => {})
      .then(() => consumer.disconnect())
      .catch((error: unknown) =>
        logger.debug({ group: groupId, error: String(error) }, 'leaving the group failed; its session will expire'),
      )
    await Promise.race([left, clock.sleep(LEAVE_MS, waiting.signal).catch(() => {})])
    waiting.abort()
  }
}

/** kafkajs marks what trying again can't cure, some levels down. */
function isRetryable(error: Error): boolean {
  const root = rootOf(error)
  return (root as { retriable?: boolean }).retriable !== false
}

function rootOf(error: Error): Error {
  return error.cause instanceof Error ? rootOf(error.cause) : error
}

const REMEDIES: Readonly<Record<string, string>> = {
  GROUP_AUTHORIZATION_FAILED: 'the user of engines.kafka.sasl needs Read on the group',
  TOPIC_AUTHORIZATION_FAILED: 'the user of engines.kafka.sasl needs Describe on the topic',
  INVALID_SESSION_TIMEOUT: "the session timeout must lie within the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
  INCONSISTENT_GROUP_PROTOCOL: 'members of another kind use this group: give this cluster a topic prefix of its own',
}

function refusal({ groupId, topic }: KafkaOwnershipParts, error: Error): EngineError {
  const root = rootOf(error)
  const type = (root as { type?: string }).type ?? root.name
  const remedy = REMEDIES[type] ?? 'check engines.kafka'
  return new EngineError('KAFKA_GROUP', `kafka refused a member of the group ${groupId} on ${topic}: ${type}: ${root.message}; ${remedy}`, {
    retryable: false,
    cause: error,
  })
}
