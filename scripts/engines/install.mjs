/** Fetches engines from the package registries: jars by Maven, the S3 gateway by Go. What stands in its folder is whole. */
import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { capture, SetupError, seconds } from '../bootstrap.mjs'
import { withLock } from './lock.mjs'
import { isRunning } from './processes.mjs'
import { enginesHome, versions } from './settings.mjs'

// ---- programs of the machine

export function programPath(name, env = process.env) {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      if (folder === '' || !statSync(path).isFile()) continue
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // Not here.
    }
  }
  return null
}

/** A JDK's version from the file beside it (no process), or from what it says; null if it is no Java. */
export function javaVersion(java) {
  try {
    const release = join(dirname(dirname(realpathSync(java))), 'release')
    const line = existsSync(release) ? /^JAVA_VERSION="([^"]+)"/m.exec(readFileSync(release, 'utf8')) : null
    if (line) return line[1]
    return /version "([^"]+)"/.exec(spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr)?.[1] ?? null
  } catch {
    return null
  }
}

/** "1.8.0_402" is 8, "17.0.15" is 17. */
export function javaMajor(version) {
  return Number.parseInt(version.startsWith('1.') ? version.slice(2) : version, 10)
}

/** Every Java that may do: JAVA_HOME, the path, then where Debian and Fedora put them. */
function* javas(env) {
  if (env.JAVA_HOME) yield join(env.JAVA_HOME, 'bin', 'java')
  const onPath = programPath('java', env)
  if (onPath !== null) yield onPath
  const folder = '/usr/lib/jvm'
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder).sort()) yield join(folder, name, 'bin', 'java')
}

/** Kafka 4 wants 17 and takes any later; Cassandra 5.0 needs a security manager, which ended with 24. */
const javaRange = { kafka: [17, Number.POSITIVE_INFINITY], cassandra: [17, 23] }

/** The first Java that this engine runs on: `{ java, version }`, or `{ problem }` that says what to do. */
export function findJava(engine, env = process.env, candidates = javas(env)) {
  const [min, max] = javaRange[engine]
  const seen = []
  for (const java of candidates) {
    const version = existsSync(java) ? javaVersion(java) : null
    if (version === null) continue
    const major = javaMajor(version)
    if (major >= min && major <= max) return { java, version, major }
    seen.push(`${java} is ${version}`)
  }
  const wanted = max === Number.POSITIVE_INFINITY ? `Java ${min} or newer` : `Java ${min} to ${max}`
  const met = seen.length === 0 ? 'no java is in JAVA_HOME, on the path or in /usr/lib/jvm' : seen.join(', ')
  return {
    problem: `${engine} needs ${wanted}, but ${met}; install one (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME`,
  }
}

export function demandJava(engine) {
  const found = findJava(engine)
  if (found.problem) throw new SetupError(found.problem)
  return found
}

// ---- what is installed

export const installedAt = (name, home = enginesHome()) =>
  ({
    kafka: join(home, `kafka-${versions.kafka}`),
    cassandra: join(home, `cassandra-${versions.cassandra}`),
    s3: join(home, `versitygw-${versions.versitygw}`),
  })[name]

/** Why this machine can't run an engine, in words; null if it can. Asks no network and starts no process. */
export function whyNot(name, env = process.env) {
  const present = existsSync(installedAt(name, enginesHome(env)))
  if (name === 's3') {
    if (present || programPath('go', env) !== null) return null
    return 's3 needs Go to build versitygw, and no go is on the path; install it (Debian: apt-get install golang, or go.dev/doc/install)'
  }
  const java = findJava(name, env)
  if (java.problem) return java.problem
  if (present || programPath('mvn', env) !== null) return null
  return `${name} comes from Maven, and no mvn is on the path; install it (Debian: apt-get install maven)`
}

const artifacts = {
  // kafka_2.13 brings no binding for slf4j.
  kafka: [`org.apache.kafka:kafka_2.13:${versions.kafka}`, `org.apache.logging.log4j:log4j-slf4j-impl:${versions.log4j}`],
  cassandra: [`org.apache.cassandra:cassandra-all:${versions.cassandra}`],
}

/** Fetches an engine if it is not there; two processes that want the same fetch it once. Resolves with its folder. */
export async function install(name, { say = () => {}, signal } = {}) {
  const folder = installedAt(name)
  if (existsSync(folder)) return folder
  const problem = whyNot(name)
  if (problem !== null) throw new SetupError(problem)
  return withLock(
    `${folder}.lock`,
    async () => {
      if (existsSync(folder)) return folder
      dropDrafts(folder)
      const draft = `${folder}.draft-${process.pid}`
      mkdirSync(draft, { recursive: true })
      const startMs = performance.now()
      try {
        if (name === 's3') await buildGateway(draft, say)
        else await fetchJars(name, draft, say)
        signal?.throwIfAborted()
        renameSync(draft, folder)
      } finally {
        rmSync(draft, { recursive: true, force: true })
      }
      say(`${name}: installed ... ${seconds(startMs)} s`)
      return folder
    },
    { signal },
  )
}

/** What a killed installation left. */
function dropDrafts(folder) {
  const prefix = `${folder}.draft-`
  for (const name of readdirSync(dirname(folder))) {
    const path = join(dirname(folder), name)
    if (path.startsWith(prefix) && !isRunning(Number(path.slice(prefix.length)))) rmSync(path, { recursive: true, force: true })
  }
}

export function pom(coordinates) {
  const dependencies = coordinates.map((one) => {
    const [group, artifact, version] = one.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  })
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>tidemark</groupId><artifactId>engine</artifactId><version>1</version><packaging>pom</packaging>',
    `<dependencies>${dependencies.join('')}</dependencies></project>\n`,
  ].join('\n')
}

/** Natives of systems that these engines are not run on here: they would double the size. */
const foreign = process.platform === 'linux' ? /osx|darwin|windows|riscv|ppc64|s390/ : /riscv|ppc64|s390/

async function fetchJars(name, draft, say) {
  const file = join(draft, 'pom.xml')
  const lib = join(draft, 'lib')
  writeFileSync(file, pom(artifacts[name]))
  say(`${name}: fetching ${artifacts[name][0]} with Maven ...`)
  const args = ['-B', '-q', '-ntp', '-f', file, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${lib}`]
  await attempt(3, () => capture('mvn', args, draft), `mvn could not fetch ${artifacts[name].join(', ')}`)
  for (const jar of readdirSync(lib)) {
    if (foreign.test(jar)) rmSync(join(lib, jar))
  }
}

async function buildGateway(draft, say) {
  const package_ = `github.com/versity/versitygw/cmd/versitygw@${versions.versitygw}`
  say(`s3: building ${package_} with Go (the first time takes minutes) ...`)
  const env = { ...process.env, GOBIN: draft, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' }
  await attempt(3, () => capture('go', ['install', '-ldflags=-s -w', package_], draft, env), `go could not build ${package_}`)
}

async function attempt(times, run, failure) {
  for (let i = 1; ; i++) {
    const { code, output } = await run()
    if (code === 0) return
    if (i === times) {
      throw new SetupError(`${failure}; see what it says, check the network, and start again:\n${output.split('\n').slice(-20).join('\n')}`)
    }
    await sleep(2000 * i)
  }
}

/** Always in the same order: the archive of classes is of one class path. */
export function classPath(folder) {
  return readdirSync(join(folder, 'lib'))
    .filter((name) => name.endsWith('.jar'))
    .sort()
    .map((name) => join(folder, 'lib', name))
    .join(delimiter)
}
