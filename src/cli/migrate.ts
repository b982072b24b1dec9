import { loadConfig } from '../config.ts'
import { createLogger } from '../telemetry/log.ts'
import { CliError } from './cli-error.ts'

/** Makes, or brings up to date, what a cluster stands on. */
export async function migrate(flags: { config?: string; partitions?: string }): Promise<void> {
  // Nothing listens here: a host of the configuration that demands a token is no concern of this command.
  const config = loadConfig({ ...flags, host: '127.0.0.1' })
  if (config.engines === null) {
    throw new CliError(
      'the configuration names no engines: a data folder needs no migration; for a cluster set engines.kafka and engines.cassandra',
    )
  }
  const { migrate: run } = await import('../presets/cluster.ts')
  const { kafka, cassandra, s3 } = config.engines
  const cluster = await run(config, config.engines, createLogger(config.logLevel))
  console.log(`cluster   ${cluster.clusterId}`)
  console.log(`topics    ${kafka.topicPrefix}.*, ${cluster.partitions} partitions of samples`)
  console.log(`keyspace  ${cassandra.keyspace}`)
  if (s3 !== null) console.log(`archive   ${s3.s3Bucket}/${s3.prefix}`)
  console.log('all is up to date')
  // Drivers may keep idle connections for a while.
  process.exit(0)
}
