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
  /** What this process does, as `--roles` names it. */
  readonly roles: readonly string[]
  /** null: this process takes no samples. */
  readonly ingest: Pick<Writer, 'writeRemote' | 'pushJson'> | null
  /** null: this process answers no queries. */
  readonly queries: QueryService | null
  readonly metadata: MetadataView
  readonly targets: TargetView | null
  readonly clock: Clock
  readonly logger: Logger
  ready(): { readonly ready: boolean; readonly reason?: string }
  metricsText(): Promise<string>
  /**
   * Flushes and seals everything that this process projects, open buckets too. @returns how many buckets were sealed, each log partition
   * counted. null: this process projects nothing.
   */
  readonly seal: (() => Promise<number>) | null
  /** null while it is being loaded, and where nothing is answered. */
  graphql(): GraphqlFrontDoor | null
  /** How many series there are, for /api/v1/status/tsdb. */
  seriesCount(): number
  /** Files of the page; null: it was not built. */
  readonly pageDir: string | null
  readonly version: string
  readonly startedAtMs: TimestampMs
}

/** Of a process that answers queries. */
export type QueryDeps = HttpDeps & { readonly queries: QueryService }

/** Of a process that takes samples. */
export type WriteDeps = HttpDeps & { readonly ingest: NonNullable<HttpDeps['ingest']> }

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
