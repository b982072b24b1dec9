import type { AppendSamples, WriteResult } from '../domain/ports/append-samples.ts'
import type { Clock } from '../domain/ports/clock.ts'
import type { MetadataView } from '../domain/ports/metadata-view.ts'
import type { TargetView } from '../domain/ports/target-view.ts'
import type { TimestampMs } from '../domain/time.ts'
import type { GraphqlFrontDoor } from '../graphql/front-door.ts'
import type { QueryService } from '../query/query-service.ts'
import type { Logger } from '../telemetry/log.ts'
import type { SecuritySettings } from './security/policy.ts'

/** What takes samples from the wire. */
export interface Writer extends AppendSamples {
  writeRemote(body: Uint8Array, sender: string): Promise<WriteResult>
  pushJson(body: Uint8Array, sender: string): Promise<WriteResult>
}

/** What the front door stands on. */
export interface HttpDeps {
  readonly ingest: Pick<Writer, 'writeRemote' | 'pushJson'>
  readonly queries: QueryService
  readonly metadata: MetadataView
  readonly targets: TargetView | null
  readonly clock: Clock
  readonly logger: Logger
  ready(): { readonly ready: boolean; readonly reason?: string }
  metricsText(): Promise<string>
  /** Flushes and seals everything, open buckets too. @returns how many buckets were sealed, each log partition counted */
  seal(): Promise<number>
  /** null while it is being loaded. */
  graphql(): GraphqlFrontDoor | null
  /** How many series there are, for /api/v1/status/tsdb. */
  seriesCount(): number
  /** Files of the page; null: it was not built. */
  readonly pageDir: string | null
  readonly version: string
  readonly startedAtMs: TimestampMs
}

export interface HttpOptions {
  readonly host: string
  readonly port: number
  readonly tls: { readonly cert: string; readonly key: string } | null
  readonly security: SecuritySettings
  readonly limits: HttpLimits
}

export interface HttpLimits {
  readonly bodyBytesMax: number
  readonly decompressedBytesMax: number
  /** A body that stands still for so long is given up. */
  readonly bodyIdleMsMax: number
  /** Bytes of request bodies held at once. */
  readonly appendBytesInFlightMax: number
  readonly rawRetentionMs: number
}
