/** Cassandra, one node, data centre datacenter1. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { certificate } from './certificates.mjs'
import { classPath, demandJava, install } from './install.mjs'
import { cassandraAnswers } from './probes.mjs'
import {
  controls,
  dataFolder,
  demandFreePort,
  endWithUs,
  freePorts,
  internalPorts,
  launch,
  markOf,
  stop,
  waitUntilAnswers,
} from './processes.mjs'
import { BIND } from './settings.mjs'

const NAME = 'cassandra'
export const DATACENTER = 'datacenter1'

/** What Cassandra makes itself, as a first start finds it. */
export const superuser = { username: 'cassandra', password: 'cassandra' }

/** @param shape `{ port, storagePort, data, authentication, keystore }` */
export function cassandraYaml({ port, storagePort, data, authentication = false, keystore = null }) {
  const kind = (password, open) => (authentication ? password : open)
  const tls =
    keystore === null
      ? ''
      : `client_encryption_options:
  enabled: true
  optional: false
  keystore: ${keystore.path}
  keystore_password: ${keystore.password}
  store_type: PKCS12
  require_client_auth: false
`
  return `cluster_name: tidemark
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "${BIND}:${storagePort}"
listen_address: ${BIND}
storage_port: ${storagePort}
rpc_address: ${BIND}
native_transport_port: ${port}
start_native_transport: true
auto_bootstrap: false
authenticator: ${kind('PasswordAuthenticator', 'AllowAllAuthenticator')}
authorizer: ${kind('CassandraAuthorizer', 'AllowAllAuthorizer')}
${tls}data_file_directories:
  - ${data}/data
commitlog_directory: ${data}/commitlog
saved_caches_directory: ${data}/saved_caches
hints_directory: ${data}/hints
cdc_raw_directory: ${data}/cdc_raw
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 32MiB
commitlog_total_space: 512MiB
commitlog_disk_access_mode: legacy
disk_failure_policy: stop
commit_failure_policy: stop
hinted_handoff_enabled: false
auto_snapshot: false
snapshot_before_compaction: false
incremental_backups: false
# The formats of 5.0: times to live may reach the year 2106, indexes are tries.
storage_compatibility_mode: NONE
sstable:
  selected_format: bti
memtable:
  configurations:
    skiplist:
      class_name: SkipListMemtable
    trie:
      class_name: TrieMemtable
    default:
      inherits: trie
memtable_allocation_type: offheap_objects
memtable_heap_space: 128MiB
memtable_offheap_space: 192MiB
memtable_flush_writers: 1
file_cache_size: 64MiB
networking_cache_size: 32MiB
key_cache_size: 0MiB
counter_cache_size: 0MiB
row_cache_size: 0MiB
concurrent_reads: 16
concurrent_writes: 16
concurrent_counter_writes: 2
concurrent_compactors: 1
compaction_throughput: 0MiB/s
native_transport_max_threads: 32
read_request_timeout: 10s
range_request_timeout: 20s
write_request_timeout: 10s
request_timeout: 20s
tombstone_warn_threshold: 10000
uuid_sstable_identifiers_enabled: true
user_defined_functions_enabled: false
materialized_views_enabled: false
`
}

const logging = `<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%-5level [%thread] %d %F:%L - %msg%n</pattern></encoder></appender>
<root level="INFO"><appender-ref ref="OUT"/></root></configuration>
`

/** What Cassandra reaches into, of the JDK: it does not start without. */
const exported = ['java.base/jdk.internal.misc', 'java.base/java.lang.ref', 'java.management.rmi/com.sun.jmx.remote.internal.rmi']
  .concat(['java.rmi/sun.rmi.registry', 'java.rmi/sun.rmi.server', 'java.sql/java.sql', 'jdk.unsupported/sun.misc'])
  .concat(['jdk.attach/sun.tools.attach'])
const opened = ['lang.module', 'io', 'lang', 'lang.reflect', 'util', 'nio']
  .map((name) => `java.base/java.${name}`)
  .concat(['loader', 'ref', 'reflect', 'math', 'module', 'util.jar'].map((name) => `java.base/jdk.internal.${name}`))
  .concat(['java.base/sun.nio.ch', 'jdk.management/com.sun.management.internal', 'java.rmi/sun.rmi.transport.tcp'])

/**
 * Starts Cassandra and waits until it answers CQL.
 * @see index.d.mts for options and the handle
 */
export async function startCassandra(options) {
  const { run, timeoutMs = 240_000, say = () => {}, signal, tls = false, authentication = false } = options
  const folder = await install('cassandra', { say, signal })
  const found = demandJava('cassandra')
  const port = options.port ?? (await freePorts(1))[0]
  const [storagePort, jmxPort] = await internalPorts([options.storagePort, options.jmxPort])
  const home = join(run, NAME)
  const data = dataFolder(run, NAME)
  mkdirSync(data, { recursive: true })
  const keystore = tls ? await certificate(found.java, run) : null
  writeFileSync(join(home, 'cassandra.yaml'), cassandraYaml({ port, storagePort, data, authentication, keystore }))
  writeFileSync(join(home, 'logback.xml'), logging)
  const spec = {
    file: found.java,
    port,
    mark: markOf(run, NAME),
    about: { storagePort, jmxPort },
    args: javaArguments({ ...options, ...found, folder, home, data, jmxPort, mark: markOf(run, NAME) }),
  }
  const login = authentication ? superuser : {}
  const start = async (append) => {
    for (const one of [port, storagePort, jmxPort]) await demandFreePort(one, 'Cassandra', 'give another port')
    launch(run, NAME, spec, { append })
    await waitUntilAnswers(run, NAME, () => cassandraAnswers(port, { tls, ...login }), { timeoutMs, signal })
  }
  if (options.stays !== true) endWithUs(run, [NAME])
  try {
    await start(false)
  } catch (error) {
    await stop(run, NAME)
    throw error
  }
  return {
    address: `${BIND}:${port}`,
    datacenter: DATACENTER,
    user: authentication ? superuser : null,
    ca: keystore?.pem ?? '',
    jmxPort,
    ...controls(run, NAME, start),
  }
}

function javaArguments({ folder, home, data, jmxPort, mark, major, heap = '1g', durable = false }) {
  const jamm = readdirSync(join(folder, 'lib')).find((name) => /^jamm-.*\.jar$/.test(name))
  return [
    // Growing from a small heap keeps 800 MB for others.
    `-Xms${heap === '1g' ? '256m' : heap}`,
    `-Xmx${heap}`,
    '-Xss256k',
    '-XX:+UseG1GC',
    '-XX:MaxGCPauseMillis=200',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:-UsePerfData',
    '-XX:MaxDirectMemorySize=512m',
    '-Djdk.attach.allowAttachSelf=true',
    ...(major >= 18 ? ['-Djava.security.manager=allow'] : []),
    ...exported.map((name) => `--add-exports=${name}=ALL-UNNAMED`),
    ...opened.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
    `-javaagent:${join(folder, 'lib', jamm)}`,
    '-Dio.netty.tryReflectionSetAccessible=true',
    '-Djava.net.preferIPv4Stack=true',
    `-Dcassandra.jmx.local.port=${jmxPort}`,
    `-Dcassandra.config=file://${join(home, 'cassandra.yaml')}`,
    `-Dlogback.configurationFile=${join(home, 'logback.xml')}`,
    `-Dcassandra.logdir=${home}`,
    `-Dcassandra.storagedir=${data}`,
    '-Dcassandra-foreground=yes',
    `-D${mark}`,
    // A cluster of one has nobody to wait for.
    '-Dcassandra.skip_wait_for_gossip_to_settle=0',
    '-Dcassandra.ring_delay_ms=0',
    '-Dcassandra.superuser_setup_delay_ms=0',
    '-Dcassandra.initial_token=0',
    // Changes of the schema are not flushed one by one: tests make and drop many tables.
    ...(durable ? [] : ['-Dcassandra.unsafesystem=true']),
    '-cp',
    `${home}${delimiter}${classPath(folder)}`,
    'org.apache.cassandra.service.CassandraDaemon',
  ]
}
