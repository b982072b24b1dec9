import type { CassandraSettings } from '../../src/engines/cassandra/settings.ts'

/** Settings for a node without TLS and passwords. */
export function cassandraSettings(address: string, changes: Partial<CassandraSettings> = {}): CassandraSettings {
  return {
    contactPoints: [address],
    dataCenter: 'datacenter1',
    keyspace: 'tidemark',
    replication: 'auto',
    consistency: 'local_quorum',
    tls: null,
    auth: null,
    ...changes,
  }
}
