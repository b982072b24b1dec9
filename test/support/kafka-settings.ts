import type { KafkaSettings } from '../../src/engines/kafka/settings.ts'

/** Settings for brokers without TLS and passwords. */
export function kafkaSettings(brokers: readonly string[], changes: Partial<KafkaSettings> = {}): KafkaSettings {
  return {
    brokers,
    topicPrefix: 'tidemark',
    replication: 'auto',
    retentionMs: 7 * 86_400_000,
    compression: 'zstd',
    sessionTimeoutMs: 10_000,
    tls: null,
    sasl: null,
    ...changes,
  }
}
