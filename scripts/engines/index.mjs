/** The door for scripts and tests: instances of one's own, and the default instance that tests share. */
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError, seconds } from '../bootstrap.mjs'
import { DATACENTER, startCassandra } from './cassandra.mjs'
import { install, whyNot } from './install.mjs'
import { isKafkaNode, startKafka, stopKafka } from './kafka.mjs'
import { withLock } from './lock.mjs'
import { cassandraAnswers, kafkaAnswers, s3Answers } from './probes.mjs'
import { dataFolder, knownNames, logFile, residentBytes, running, stop } from './processes.mjs'
import { startS3 } from './s3.mjs'
import { BIND, defaultRun, engineNames, ports, s3Credentials, versions } from './settings.mjs'

export { cassandraYaml, startCassandra, superuser } from './cassandra.mjs'
export { findJava, install, javaMajor, pom, whyNot } from './install.mjs'
export { kafkaProperties, saslUser, startKafka } from './kafka.mjs'
export { withLock } from './lock.mjs'
export { brokerPorts, metadataRequest } from './probes.mjs'
export { demandFreePort, freePorts, portHolder, portIsFree } from './processes.mjs'
export { startS3 } from './s3.mjs'
export { defaultRun, engineNames, enginesHome, parseArguments, ports, s3Credentials, versions } from './settings.mjs'

const engineOf = (process) => (isKafkaNode(process) ? 'kafka' : process)

/** What runs in a run folder, and whether it answers. */
export async function status(run = defaultRun()) {
  const known = knownNames(run)
  const brokerPortList = known.filter(isKafkaNode).flatMap((name) => running(run, name)?.port ?? [])
  return Promise.all(
    known.map(async (process) => {
      const state = running(run, process)
      const engine = engineOf(process)
      const common = { process, engine, version: versions[engine === 's3' ? 'versitygw' : engine], log: logFile(run, process) }
      if (state === null) return { ...common, state: 'down', pid: null, address: null, residentBytes: null, data: dataFolder(run, process) }
      const answers = {
        kafka: () => state.brokers === brokerPortList.length && kafkaAnswers(state.port, brokerPortList),
        cassandra: () => cassandraAnswers(state.port),
        s3: () => s3Answers(state.port),
      }[engine]
      return {
        ...common,
        state: (await answers()) ? 'up' : 'not answering',
        pid: state.pid,
        address: `${engine === 's3' ? 'http://' : ''}${BIND}:${state.port}`,
        residentBytes: residentBytes(state.pid),
        data: dataFolder(run, process),
      }
    }),
  )
}

/** The engines whose processes of a run folder all answer, with their addresses as tests want them. */
export async function addressesOf(run = defaultRun()) {
  const found = {}
  const rows = await status(run)
  const up = (engine) => {
    const own = rows.filter((row) => row.engine === engine)
    return own.length > 0 && own.every((row) => row.state === 'up') ? own.map((row) => row.address) : null
  }
  const [kafka, cassandra, s3] = [up('kafka'), up('cassandra'), up('s3')]
  if (kafka !== null) found.kafka = kafka
  if (cassandra !== null) found.cassandra = cassandra[0]
  if (s3 !== null) found.s3 = { endpoint: s3[0], ...s3Credentials }
  return found
}

/**
 * Brings engines up that are not; one call at a time for a run folder, also over processes. All that can be started is, then the errors of
 * the others are thrown as one.
 * @returns the addresses of what is up, and the names of what this call started
 */
export async function up({ names = engineNames, run = defaultRun(), say = () => {}, signal, ...wanted } = {}) {
  return withLock(
    join(run, 'lock'),
    async () => {
      const started = []
      const outcomes = await Promise.allSettled(
        names.map(async (name) => {
          if (await keep(name, run, wanted)) return
          const startMs = performance.now()
          await install(name, { say, signal })
          const launchMs = performance.now()
          await starters[name]({ ...wanted, run, say, signal })
          started.push(name)
          const total = Math.round(launchMs - startMs) > 50 ? ` (with its installation ${seconds(startMs)} s)` : ''
          say(`${name}: answers ... ${seconds(launchMs)} s${total}`)
        }),
      )
      const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
      if (signal?.aborted) {
        for (const name of started) await down({ names: [name], run })
        throw new SetupError('interrupted; what was being started is stopped')
      }
      const strange = failures.find((error) => !(error instanceof SetupError))
      if (strange !== undefined) throw strange
      if (failures.length > 0) throw new SetupError(failures.map((error) => error.message).join('\n\n'))
      return { addresses: await addressesOf(run), started }
    },
    { signal },
  )
}

/** Whether an engine runs already as it is wanted; what runs in part is stopped, what runs otherwise is an error. */
async function keep(name, run, wanted) {
  const rows = (await status(run)).filter((row) => row.engine === name && row.pid !== null)
  if (rows.length === 0) return false
  const port = wanted[`${name}Port`]
  const listening = Number(new URL(`http://${rows[0].address.replace('http://', '')}`).port)
  if (port !== undefined && port !== listening) {
    throw new SetupError(`${name} runs on port ${listening}, not ${port}; take it down first, or use another --run`)
  }
  if (name === 'kafka' && wanted.brokers !== undefined) {
    const brokers = running(run, rows[0].process)?.brokers
    if (brokers !== wanted.brokers) {
      throw new SetupError(`kafka runs with ${brokers}, not ${wanted.brokers} brokers; wipe it first, or use another --run`)
    }
  }
  if (addressOf(await addressesOf(run), name)) return true
  await down({ names: [name], run })
  return false
}

const addressOf = (addresses, name) => addresses[name] !== undefined

const starters = {
  kafka: ({ run, say, signal, brokers, kafkaPort = ports.kafka }) => {
    const controllerPort = kafkaPort + ports.kafkaController - ports.kafka
    return startKafka({ run, say, signal, brokers, port: kafkaPort, controllerPort, archive: true, stays: true })
  },
  cassandra: ({ run, say, signal, cassandraPort }) => {
    const fixed = cassandraPort === undefined
    const own = fixed
      ? { port: ports.cassandra, storagePort: ports.cassandraStorage, jmxPort: ports.cassandraJmx }
      : { port: cassandraPort }
    return startCassandra({ run, say, signal, stays: true, ...own })
  },
  s3: ({ run, say, signal, s3Port = ports.s3 }) => startS3({ run, say, signal, port: s3Port, bucket: 'tidemark', stays: true }),
}

/** Stops engines; their data stays. Says what it did about each. */
export async function down({ names = engineNames, run = defaultRun(), say = () => {} } = {}) {
  if (!existsSync(run)) return
  await Promise.all(
    names.map(async (name) => {
      const startMs = performance.now()
      const outcome = name === 'kafka' ? await stopKafka(run) : await stop(run, name)
      const words = { absent: 'does not run', ended: 'stopped', killed: 'did not end when asked to, and was killed' }
      say(`${name}: ${words[outcome]}${outcome === 'absent' ? '' : ` ... ${seconds(startMs)} s`}`)
    }),
  )
}

/** Stops engines and deletes what they stored and said. */
export async function wipe({ names = engineNames, run = defaultRun(), say = () => {} } = {}) {
  await down({ names, run, say })
  for (const name of names) {
    const paths = name === 'kafka' ? ['kafka-1', 'kafka-2', 'kafka-3', 'kafka.json', 'kafka-log4j2.properties'] : [name]
    for (const path of paths) rmSync(join(run, path), { recursive: true, force: true })
  }
}

/** The engines among `names` that this machine can run. */
export const runnable = (names = engineNames) => names.filter((name) => whyNot(name) === null)

export { DATACENTER }
