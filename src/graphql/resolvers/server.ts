import type { OperationContext } from '../context.ts'
import type { GraphqlDeps } from '../deps.ts'
import { refusal } from '../errors.ts'
import { graphqlLimits } from '../limits.ts'
import type { ServerModel, TopicModel } from '../models.ts'
import type { Resolvers, Role, SubscriptionResolvers } from '../schema.generated.ts'
import type { ServerStatus } from '../server-status.ts'

export function serverFields(deps: GraphqlDeps, status: ServerStatus): Pick<Resolvers, 'Server' | 'Topic' | 'TopicPartition'> {
  // The names of roles are those of `--roles` in capitals.
  const roles = deps.roles.map((role) => role.toUpperCase() as Role)
  return {
    Server: {
      version: () => deps.version,
      roles: () => roles,
      startedAt: () => deps.startedAtMs,
      now: (server) => server.nowMs,
      freshness: (_, __, context) => status.freshness(context.signal),
      topics: () => status.topics(),
    },
    Topic: {
      depthRecords: (topic) => sum(topic, 'depthRecords'),
      lagRecords: (topic) => sum(topic, 'lagRecords'),
    },
    TopicPartition: { bytes: (partition) => partition.bytes ?? null },
  }
}

export function serverStatusSubscription({ clock }: Pick<GraphqlDeps, 'clock'>): SubscriptionResolvers['serverStatus'] {
  return {
    subscribe(_, args, context) {
      const intervalMs = args.intervalMs ?? 1000
      const { statusIntervalMsMin: min, statusIntervalMsMax: max } = graphqlLimits
      if (intervalMs < min || intervalMs > max) {
        throw refusal('BAD_USER_INPUT', `\`intervalMs\` is ${intervalMs}, expected ${min} to ${max}`)
      }
      return everyInterval(clock, intervalMs, context)
    },
  }
}

/** The next state is asked for only when the last one is on its way, so a slow reader gets fewer, and none that is old. */
async function* everyInterval(
  clock: GraphqlDeps['clock'],
  intervalMs: number,
  { signal }: OperationContext,
): AsyncGenerator<{ serverStatus: ServerModel }> {
  while (!signal.aborted) {
    yield { serverStatus: { nowMs: clock.nowMs() } }
    try {
      await clock.sleep(intervalMs, signal)
    } catch {
      return
    }
  }
}

function sum(topic: TopicModel, field: 'depthRecords' | 'lagRecords'): number {
  return topic.partitions.reduce((total, partition) => total + partition[field], 0)
}
