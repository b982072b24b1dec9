/** Kafka in KRaft mode: one broker, or three that replicate; each is broker and controller at once. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capture, SetupError } from '../bootstrap.mjs'
import { certificate } from './certificates.mjs'
import { classPath, demandJava, install } from './install.mjs'
import { kafkaAnswers } from './probes.mjs'
import {
  dataFolder,
  demandFreePort,
  endWithUs,
  freePorts,
  internalPorts,
  kill,
  knownNames,
  launch,
  logFile,
  markOf,
  running,
  signalTo,
  stop,
  waitUntilAnswers,
} from './processes.mjs'
import { BIND, s3Credentials } from './settings.mjs'

const CLUSTER = 'dGlkZW1hcmstdGVzdC1jbA'
const nodeName = (i) => `kafka-${i + 1}`
export const isKafkaNode = (name) => /^kafka-\d+$/.test(name)

/** Who may log in at the listeners with SASL, by PLAIN and by SCRAM. */
export const saslUser = { username: 'tidemark', password: s3Credentials.secretAccessKey }

/** The listeners that a node has beside the plain one, if asked for. */
const extras = { SASL: 'SASL_PLAINTEXT', TLS: 'SSL', SASLTLS: 'SASL_SSL' }

/**
 * The broker's server.properties.
 * @param shape `{ ports, controllerPorts, extraPorts: { SASL?: number[] ... }, data, keystore, properties }`
 */
export function kafkaProperties(i, shape) {
  const nodes = shape.ports.length
  const replicas = nodes >= 3 ? 3 : 1
  const inSync = nodes >= 3 ? 2 : 1
  const names = Object.keys(shape.extraPorts ?? {})
  const own = [`PLAINTEXT://${BIND}:${shape.ports[i]}`, ...names.map((name) => `${name}://${BIND}:${shape.extraPorts[name][i]}`)]
  const lines = {
    'process.roles': 'broker,controller',
    'node.id': i + 1,
    'controller.quorum.voters': shape.controllerPorts.map((port, j) => `${j + 1}@${BIND}:${port}`).join(','),
    listeners: [...own, `CONTROLLER://${BIND}:${shape.controllerPorts[i]}`].join(','),
    'advertised.listeners': own.join(','),
    'listener.security.protocol.map': [
      'PLAINTEXT:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...names.map((name) => `${name}:${extras[name]}`),
    ].join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': shape.data,
    'num.partitions': 1,
    'auto.create.topics.enable': false,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 4,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': 2,
    // A group of one need not wait three seconds for others.
    'group.initial.rebalance.delay.ms': 0,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'num.recovery.threads.per.data.dir': 2,
    'background.threads': 4,
    // The default takes 128 MiB of heap.
    'log.cleaner.dedupe.buffer.size': 8_388_608,
    'log.segment.bytes': 134_217_728,
    'message.max.bytes': 8_388_608,
    'replica.fetch.max.bytes': 8_388_608,
    'controller.quorum.election.timeout.ms': 500,
    'controller.quorum.fetch.timeout.ms': nodes >= 3 ? 2000 : 1000,
    'initial.broker.registration.timeout.ms': 60_000,
    'broker.heartbeat.interval.ms': nodes >= 3 ? 500 : 2000,
    'broker.session.timeout.ms': nodes >= 3 ? 3000 : 9000,
    // The last of three to stop has no quorum to ask; it need not wait long to learn that.
    'controlled.shutdown.max.retries': 1,
    ...(names.length > 0 ? secured(names, shape.keystore) : {}),
    ...shape.properties,
  }
  return `${Object.entries(lines)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n')}\n`
}

function secured(names, keystore) {
  const lines = { 'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512' }
  for (const name of names) {
    const prefix = `listener.name.${name.toLowerCase()}`
    if (name.startsWith('SASL')) {
      const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule'
      lines[`${prefix}.plain.sasl.jaas.config`] = `${plain} required user_${saslUser.username}="${saslUser.password}";`
      for (const mechanism of ['scram-sha-256', 'scram-sha-512']) {
        lines[`${prefix}.${mechanism}.sasl.jaas.config`] = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
      }
    }
    if (name.endsWith('TLS')) {
      lines[`${prefix}.ssl.keystore.type`] = 'PKCS12'
      lines[`${prefix}.ssl.keystore.location`] = keystore.path
      lines[`${prefix}.ssl.keystore.password`] = keystore.password
      lines[`${prefix}.ssl.key.password`] = keystore.password
    }
  }
  return lines
}

const logging = `status=error
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=OUT
`

/**
 * Starts brokers and waits until each of them lists all.
 * @see index.d.mts for options and the handle
 */
export async function startKafka(options) {
  const { run, timeoutMs = 180_000, say = () => {}, signal } = options
  const folder = await install('kafka', { say, signal })
  const { java, version } = demandJava('kafka')
  mkdirSync(run, { recursive: true })
  const indexes = Array.from({ length: brokersOf(options) }, (_, i) => i)
  const shape = await shapeOf(options, indexes)
  const keystore = shape.extraPorts.TLS || shape.extraPorts.SASLTLS ? await certificate(java, run) : null
  writeFileSync(join(run, 'kafka-log4j2.properties'), logging)
  const archive = join(folder, `classes-${version}.jsa`)
  const kafka = { folder, java, archive, keystore, shape, options, run }

  const start = async (i, { append = false } = {}) => {
    await demandFreePort(shape.ports[i], `broker ${i + 1} of Kafka`, 'give another port')
    for (const ports of [shape.controllerPorts, ...Object.values(shape.extraPorts)]) {
      await demandFreePort(ports[i], `broker ${i + 1} of Kafka`, 'give another port')
    }
    await prepareNode(kafka, i)
    launch(run, nodeName(i), nodeSpec(kafka, i), { append })
  }
  const settled = (i, wanted = shape.ports) =>
    waitUntilAnswers(run, nodeName(i), () => kafkaAnswers(shape.ports[i], wanted), { timeoutMs, signal })
  const stopAll = () => stopKafka(run)
  if (options.stays !== true) endWithUs(run, indexes.map(nodeName))
  try {
    for (const i of indexes) await start(i)
    await Promise.all(indexes.map((i) => settled(i)))
  } catch (error) {
    await stopAll()
    throw error
  }
  const at = (ports) => (ports ?? []).map((port) => `${BIND}:${port}`)
  return {
    addresses: at(shape.ports),
    saslAddresses: at(shape.extraPorts.SASL),
    tlsAddresses: at(shape.extraPorts.TLS),
    saslTlsAddresses: at(shape.extraPorts.SASLTLS),
    user: saslUser,
    ca: keystore?.pem ?? '',
    log: (i) => logFile(run, nodeName(i)),
    pid: (i) => running(run, nodeName(i))?.pid ?? null,
    kill: (i) => kill(run, nodeName(i)),
    pause: (i) => signalTo(run, nodeName(i), 'SIGSTOP'),
    resume: (i) => signalTo(run, nodeName(i), 'SIGCONT'),
    terminate: (i) => stop(run, nodeName(i)),
    restart: async (i) => {
      await stop(run, nodeName(i))
      await start(i, { append: true })
      // Others may be down on purpose: it must list itself.
      await settled(i, [shape.ports[i]])
    },
    stop: stopAll,
  }
}

/** How many there are: as asked for, which must be as the data that stands here has it. */
function brokersOf({ run, brokers }) {
  const file = join(run, 'kafka.json')
  const stored = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).brokers : undefined
  if (stored !== undefined && brokers !== undefined && stored !== brokers) {
    const kind = stored === 1 ? 'broker' : 'brokers'
    throw new SetupError(`the data in ${run} is of ${stored} ${kind}, not ${brokers}; wipe kafka first, or use another --run`)
  }
  writeFileSync(file, JSON.stringify({ brokers: stored ?? brokers ?? 1 }))
  return stored ?? brokers ?? 1
}

/** Ports as given, else free ones. */
async function shapeOf(options, indexes) {
  const { port, controllerPort } = options
  const extraNames = [options.sasl && 'SASL', options.tls && 'TLS', options.sasl && options.tls && 'SASLTLS'].filter(Boolean)
  const free = await freePorts((1 + extraNames.length) * indexes.length)
  const take = (first) => indexes.map((i) => (first === undefined ? free.pop() : first + i))
  const controllerPorts = await internalPorts(indexes.map((i) => (controllerPort === undefined ? undefined : controllerPort + i)))
  const shape = { ports: take(port), controllerPorts, properties: options.properties ?? {}, extraPorts: {} }
  for (const name of extraNames) shape.extraPorts[name] = take(undefined)
  return shape
}

/** Configuration, and once the marks of a new log folder (the tool is a JVM of its own: a second or two). */
async function prepareNode({ folder, java, archive, keystore, shape, run }, i) {
  const name = nodeName(i)
  const data = dataFolder(run, name)
  mkdirSync(data, { recursive: true })
  const properties = join(run, name, 'server.properties')
  writeFileSync(properties, kafkaProperties(i, { ...shape, data, keystore }))
  if (existsSync(join(data, 'meta.properties'))) return
  const scram = ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${saslUser.username},password=${saslUser.password}]`,
  ])
  const args = [
    '-Xmx128m',
    '-XX:TieredStopAtLevel=1',
    ...(existsSync(archive) ? mapped(archive) : []),
    `-Dlog4j2.configurationFile=file:${join(run, 'kafka-log4j2.properties')}`,
    '-cp',
    classPath(folder),
    'kafka.tools.StorageTool',
    ...['format', '--ignore-formatted', '-t', CLUSTER, '-c', properties],
    ...(shape.extraPorts.SASL ? scram : []),
  ]
  const { code, output } = await capture(java, args, run)
  if (code !== 0) {
    rmSync(data, { recursive: true, force: true })
    throw new SetupError(`kafka could not prepare ${data}:\n${output.split('\n').slice(-15).join('\n')}`)
  }
}

/** An archive of loaded classes, mapped at the start: 6 s become 2 s. One that does not fit is ignored by the JVM. */
const mapped = (archive) => [`-XX:SharedArchiveFile=${archive}`, '-Xshare:auto', '-Xlog:cds=off', '-Xlog:class+path=off']

function nodeSpec({ folder, java, archive, shape, options, run }, i) {
  const name = nodeName(i)
  // Written when the JVM ends in peace; `stopKafka` puts it in its place when it is whole.
  const draft = join(run, name, 'classes.jsa')
  const writes = options.archive === true && i === 0 && !existsSync(archive)
  const sharing = writes ? [`-XX:ArchiveClassesAtExit=${draft}`, '-Xlog:cds=off', '-Xlog:cds+dynamic=off', '-Xlog:class+path=off'] : []
  const heap = options.heap ?? '512m'
  return {
    file: java,
    port: shape.ports[i],
    mark: markOf(run, name),
    about: { controllerPort: shape.controllerPorts[i], brokers: shape.ports.length, archive: writes ? archive : undefined },
    args: [
      `-Xms${options.heap === undefined ? heap : '64m'}`,
      `-Xmx${heap}`,
      '-XX:+UseG1GC',
      '-XX:MaxGCPauseMillis=50',
      '-XX:+ExitOnOutOfMemoryError',
      '-XX:MaxDirectMemorySize=256m',
      '-Djava.awt.headless=true',
      ...(existsSync(archive) ? mapped(archive) : sharing),
      `-Dlog4j2.configurationFile=file:${join(run, 'kafka-log4j2.properties')}`,
      `-D${markOf(run, name)}`,
      '-cp',
      classPath(folder),
      'kafka.Kafka',
      join(run, name, 'server.properties'),
    ],
  }
}

/** All nodes at once: one alone would hand its partitions to the others first. */
export async function stopKafka(run) {
  const names = knownNames(run).filter(isKafkaNode)
  const outcomes = await Promise.all(
    names.map(async (name) => {
      const archive = running(run, name)?.archive
      const outcome = await stop(run, name)
      if (archive !== undefined) keepArchive(join(run, name, 'classes.jsa'), archive, outcome)
      return outcome
    }),
  )
  return outcomes.find((outcome) => outcome !== 'absent') ?? 'absent'
}

/** A killed JVM may leave half of it. */
function keepArchive(draft, archive, outcome) {
  if (!existsSync(draft)) return
  if (outcome === 'ended' && statSync(draft).size > 0 && !existsSync(archive)) renameSync(draft, archive)
  else rmSync(draft)
}
