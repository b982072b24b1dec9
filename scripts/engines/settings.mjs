/**
 * What the engines are, where they are kept and where they listen; the command line of `npm run engines`. Nothing but Node itself, since it
 * runs on Node 20 before anything is installed.
 */
import { isAbsolute, join, resolve } from 'node:path'
import { root, SetupError } from '../bootstrap.mjs'

export const engineNames = ['kafka', 'cassandra', 's3']

export const versions = { kafka: '4.4.0', log4j: '2.25.1', cassandra: '5.0.9', versitygw: 'v1.8.0' }

export const BIND = '127.0.0.1'

/** Where the default instance listens: below the range that systems hand out for outgoing connections. */
export const ports = { kafka: 29092, kafkaController: 29192, cassandra: 29042, cassandraStorage: 27000, cassandraJmx: 27199, s3: 29000 }

export const s3Credentials = { region: 'us-east-1', accessKeyId: 'tidemark', secretAccessKey: 'tidemark-secret' }

/** Where downloads stay: a folder for each engine and version, placed whole. */
export function enginesHome(env = process.env) {
  const home = env.TIDEMARK_ENGINES_HOME
  if (home === undefined || home === '') return join(root, '.cache', 'engines')
  if (!isAbsolute(home)) throw new SetupError(`TIDEMARK_ENGINES_HOME is ${home}, expected an absolute path`)
  return home
}

/** Of the default instance: pids, logs, configuration, data. */
export const defaultRun = () => join(root, '.cache', 'engines', 'run')

const usage = `npm run engines -- up|down|status|install|wipe [kafka] [cassandra] [s3] [options]

  up        fetches what is missing, starts, waits until it answers (no names: all three)
  down      stops; the data stays
  status    what runs, and where (--json for programs)
  install   fetches only
  wipe      stops, and deletes data and logs

  --brokers N          1 (default) or 3 brokers of Kafka
  --run DIR            another instance: its own pids, logs and data
  --kafka-port N       first broker; the controllers listen 100 above (default ${ports.kafka})
  --cassandra-port N   (default ${ports.cassandra})
  --s3-port N          (default ${ports.s3})
`

const commands = ['up', 'down', 'status', 'install', 'wipe']
const numbers = { '--brokers': 'brokers', '--kafka-port': 'kafkaPort', '--cassandra-port': 'cassandraPort', '--s3-port': 's3Port' }

/** The command line in words; what it can't be is a SetupError that says what it can. */
export function parseArguments(args, cwd = process.cwd()) {
  const parsed = { command: 'help', names: [], run: defaultRun(), json: false, brokers: undefined }
  const words = []
  for (let i = 0; i < args.length; i++) {
    const [flag, attached] = args[i].startsWith('--') ? args[i].split(/=(.*)/s) : [args[i], undefined]
    const value = () => {
      const text = attached ?? args[++i]
      if (text === undefined || text === '') throw new SetupError(`${flag} wants a value\n\n${usage}`)
      return text
    }
    if (flag === '--json') parsed.json = true
    else if (flag === '--help' || flag === '-h') return { ...parsed, command: 'help', usage }
    else if (flag === '--run') parsed.run = resolve(cwd, value())
    else if (flag in numbers) parsed[numbers[flag]] = parseNumber(flag, value())
    else if (flag.startsWith('-')) throw new SetupError(`unknown option ${flag}\n\n${usage}`)
    else words.push(flag)
  }
  const [command, ...names] = words
  if (command === undefined) return { ...parsed, usage }
  if (!commands.includes(command)) throw new SetupError(`unknown command ${command}, expected one of ${commands.join(', ')}\n\n${usage}`)
  const unknown = names.find((name) => name !== 'all' && !engineNames.includes(name))
  if (unknown !== undefined) throw new SetupError(`unknown engine ${unknown}, expected some of ${engineNames.join(', ')}`)
  parsed.command = command
  parsed.names = names.length === 0 || names.includes('all') ? [...engineNames] : engineNames.filter((name) => names.includes(name))
  return parsed
}

function parseNumber(flag, text) {
  const number = Number(text)
  if (flag === '--brokers') {
    if (number !== 1 && number !== 3) throw new SetupError(`--brokers is ${text}, expected 1 or 3`)
  } else if (!Number.isInteger(number) || number < 1024 || number > 65_000) {
    throw new SetupError(`${flag} is ${text}, expected a port from 1024 to 65000`)
  }
  return number
}
