import { IdempotencyKeys } from '../../ingest/idempotency-keys.ts'
import { canonicalBytes, identityOf } from '../../ingest/series-identity.ts'
import type { GraphqlDeps } from '../deps.ts'
import { scalars } from '../scalars.ts'
import type { Resolvers } from '../schema.generated.ts'
import { ServerStatus } from '../server-status.ts'
import { discoveryQueries } from './discovery.ts'
import { labelled, metricFields } from './labelled.ts'
import { promqlQueries } from './promql.ts'
import { pushSamples } from './push-samples.ts'
import { serverFields, serverStatusSubscription } from './server.ts'
import { targetsQuery } from './targets.ts'

/** Every field that is not simply a property of what its parent resolver returned. */
export function createResolvers(deps: GraphqlDeps): Resolvers {
  const status = new ServerStatus(deps)
  return {
    ...scalars,
    Query: {
      ...discoveryQueries(deps),
      ...promqlQueries(deps),
      targets: targetsQuery(deps),
      freshness: (_, args, context) => status.freshness(context.signal, args.minPosition ?? undefined),
      server: () => ({ nowMs: deps.clock.nowMs() }),
    },
    Mutation: {
      pushSamples: pushSamples(deps, new IdempotencyKeys(deps.clock)),
    },
    Subscription: {
      serverStatus: serverStatusSubscription(deps),
    },
    Metric: metricFields,
    Series: {
      ...labelled,
      id: ({ labels }) => Buffer.from(identityOf(canonicalBytes(labels))).toString('hex'),
    },
    VectorSeries: labelled,
    MatrixSeries: {
      ...labelled,
      timestamps: (series) => series.times,
      values: (series) => ({ values: series.values, present: null }),
    },
    RangeSeries: {
      ...labelled,
      values: (series) => ({ values: series.values, present: series.present }),
    },
    InstantResult: {
      __resolveType(result) {
        switch (result.type) {
          case 'vector':
            return 'VectorResult'
          case 'scalar':
            return 'ScalarResult'
          case 'string':
            return 'StringResult'
          case 'matrix':
            return 'MatrixResult'
        }
      },
    },
    VectorResult: { time: (result) => result.timeMs, series: (result) => [...result.series] },
    ScalarResult: { time: (result) => result.timeMs },
    StringResult: { time: (result) => result.timeMs },
    MatrixResult: { series: (result) => [...result.series] },
    ...serverFields(deps, status),
  }
}
