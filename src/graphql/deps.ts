import type { AppendSamples } from '../domain/ports/append-samples.ts'
import type { Clock, Random } from '../domain/ports/clock.ts'
import type { LagView } from '../domain/ports/lag-view.ts'
import type { MetadataView } from '../domain/ports/metadata-view.ts'
import type { TargetView } from '../domain/ports/target-view.ts'
import type { TimestampMs } from '../domain/time.ts'
import type { QueryService } from '../query/query-service.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Scope } from './context.ts'
import type { Role } from './schema.generated.ts'

/** What the GraphQL front door stands on. */
export interface GraphqlDeps {
  readonly queries: QueryService
  readonly append: AppendSamples
  readonly metadata: MetadataView
  readonly lag: LagView
  /** null: this process scrapes nothing. */
  readonly targets: TargetView | null
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly version: string
  /** As `--roles` names them. */
  readonly roles: readonly Lowercase<Role>[]
  readonly startedAtMs: TimestampMs
  /** What a token may do from a sender's address; null: nothing. For WebSockets, whose first message may carry one. */
  readonly authenticate: (token: string, address: string) => ReadonlySet<Scope> | null
  /** GraphiQL as one file of HTML, whose scripts the listening socket serves; null: there is none. */
  readonly graphiqlHtml: Uint8Array | null
}
