/** `npm run engines -- up|down|status|install|wipe [kafka] [cassandra] [s3]`: the engines of Tidemark's cluster mode, on this machine. */
import { runMain, SetupError, seconds } from './bootstrap.mjs'
import { down, install, parseArguments, status, up, wipe } from './engines/index.mjs'

await runMain(async (args) => {
  const { command, names, run, json, usage, ...wanted } = parseArguments(args)
  const startMs = performance.now()
  const say = (line) => console.log(`- ${line}`)
  const abort = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => abort.abort(new SetupError('interrupted')))
  switch (command) {
    case 'up': {
      const { addresses } = await up({ names, run, say, signal: abort.signal, ...wanted })
      console.log(`\nup after ${seconds(startMs)} s\n${howToUse(addresses).join('\n')}`)
      return 0
    }
    case 'down':
      await down({ names, run, say })
      return 0
    case 'wipe':
      await wipe({ names, run, say })
      say(`deleted what ${names.join(', ')} stored in ${run}`)
      return 0
    case 'install':
      await installAll(names, say, abort.signal)
      return 0
    case 'status': {
      const rows = (await status(run)).filter((row) => names.includes(row.engine))
      console.log(json ? JSON.stringify(rows, null, 2) : table(rows, run))
      return 0
    }
    default:
      console.log(usage)
      return args.length === 0 ? 2 : 0
  }
})

async function installAll(names, say, signal) {
  const outcomes = await Promise.allSettled(
    names.map(async (name) => {
      say(`${name}: in ${await install(name, { say, signal })}`)
    }),
  )
  const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
  if (failures.length > 0) throw new SetupError(failures.map((error) => error.message).join('\n\n'))
}

function howToUse(addresses) {
  const lines = []
  if (addresses.kafka) lines.push(`kafka      ${addresses.kafka.join(',')}`)
  if (addresses.cassandra) lines.push(`cassandra  ${addresses.cassandra}   data centre datacenter1, no password`)
  if (addresses.s3) {
    const { endpoint, region, accessKeyId, secretAccessKey } = addresses.s3
    lines.push(`s3         ${endpoint}   bucket tidemark, path style, region ${region}, key ${accessKeyId}, secret ${secretAccessKey}`)
  }
  return [...lines, '', 'stop them with: npm run engines -- down']
}

function table(rows, run) {
  if (rows.length === 0) return `nothing has been started in ${run}`
  return rows
    .map((row) => {
      if (row.pid === null) return `${row.process.padEnd(10)} down            data ${row.data}`
      const memory = row.residentBytes === null ? '' : `  ${Math.round(row.residentBytes / 2 ** 20)} MB`
      return `${row.process.padEnd(10)} ${row.state.padEnd(14)}  pid ${row.pid}  ${row.address}${memory}  data ${row.data}  log ${row.log}`
    })
    .join('\n')
}
