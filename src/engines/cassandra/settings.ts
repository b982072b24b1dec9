/** How Cassandra is reached. Plain data: fit for a worker thread. Secrets are in it: never logged. */
export interface CassandraSettings {
  /** host or host:port each; at least one. */
  readonly contactPoints: readonly string[]
  /** The data centre whose nodes are asked, by its name in Cassandra. */
  readonly dataCenter: string
  readonly keyspace: string
  /** Copies in the data centre, for a keyspace that `migrate` makes; 'auto': 3 where there are three nodes or more, else 1. */
  readonly replication: number | 'auto'
  readonly consistency: 'local_quorum' | 'quorum' | 'local_one' | 'one' | 'all'
  /** PEM texts, not paths. `null`: no TLS. An empty object: TLS against the system's authorities. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null
  readonly auth: { readonly username: string; readonly password: string } | null
}
