/** How Kafka is reached and what its topics are like. Plain data: fit for a worker thread. Secrets are in it: never logged. */
export interface KafkaSettings {
  /** host:port each; at least one. */
  readonly brokers: readonly string[]
  /** Put before the topics' names in place of `tidemark`: `<prefix>.samples`. */
  readonly topicPrefix: string
  /** Copies of each partition; 'auto': 3 where there are three brokers or more, else 1. */
  readonly replication: number | 'auto'
  /** How long samples stay in the log. */
  readonly retentionMs: number
  readonly compression: 'none' | 'gzip' | 'zstd'
  /** A process that is silent for so long has lost its partitions to others. */
  readonly sessionTimeoutMs: number
  /** PEM texts, not paths. `null`: no TLS. An empty object: TLS against the system's authorities. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  } | null
}
