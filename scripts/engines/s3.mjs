/** An S3 server: versitygw over a plain folder. */
import { createHash, createHmac } from 'node:crypto'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError } from '../bootstrap.mjs'
import { install } from './install.mjs'
import { s3Answers } from './probes.mjs'
import { controls, dataFolder, demandFreePort, endWithUs, freePorts, launch, logFile, stop, waitUntilAnswers } from './processes.mjs'
import { BIND, s3Credentials } from './settings.mjs'

const NAME = 's3'

/** The gateway's arguments; the folder for accounts is also what it is known by. */
export function gatewayArguments({ port, accounts, objects, sidecar = null }) {
  const { region, accessKeyId, secretAccessKey } = s3Credentials
  return [
    ...['--port', `${BIND}:${port}`, '--access', accessKeyId, '--secret', secretAccessKey, '--region', region],
    ...['--quiet', '--health', '/_health', '--iam-dir', accounts, 'posix'],
    ...(sidecar === null ? [] : ['--sidecar', sidecar]),
    objects,
  ]
}

/**
 * Starts the server and waits until it answers.
 * @see index.d.mts for options and the handle
 */
export async function startS3(options) {
  const { run, bucket, timeoutMs = 60_000, say = () => {}, signal } = options
  const folder = await install('s3', { say, signal })
  const port = options.port ?? (await freePorts(1))[0]
  const data = dataFolder(run, NAME)
  const folders = { accounts: join(data, 'accounts'), objects: join(data, 'objects'), sidecar: join(data, 'sidecar') }
  for (const path of Object.values(folders)) mkdirSync(path, { recursive: true })
  // A file system without extended attributes (where the gateway keeps what it knows of an object) gets files beside them.
  let sidecar = null
  const spec = () => ({
    file: join(folder, 'versitygw'),
    port,
    mark: folders.accounts,
    // The collector keeps it small.
    env: { GOMEMLIMIT: '256MiB' },
    args: gatewayArguments({ port, accounts: folders.accounts, objects: folders.objects, sidecar }),
  })
  const start = async (append) => {
    await demandFreePort(port, 'the S3 server', 'give another port')
    launch(run, NAME, spec(), { append })
    await waitUntilAnswers(run, NAME, () => s3Answers(port), { timeoutMs, signal })
  }
  if (options.stays !== true) endWithUs(run, [NAME])
  try {
    try {
      await start(false)
    } catch (error) {
      if (!/xattr/i.test(readFileSync(logFile(run, NAME), 'utf8'))) throw error
      sidecar = folders.sidecar
      await start(true)
    }
    if (bucket !== undefined) await createBucket(port, bucket)
  } catch (error) {
    await stop(run, NAME)
    throw error
  }
  return {
    endpoint: `http://${BIND}:${port}`,
    ...s3Credentials,
    ...controls(run, NAME, start),
  }
}

/** Makes a bucket unless it is there. Signed by hand (version 4), since no client may be installed yet. */
export async function createBucket(port, bucket, now = new Date()) {
  const { region, accessKeyId, secretAccessKey } = s3Credentials
  const time = now.toISOString().replaceAll(/[-:]|\.\d+/g, '')
  const day = time.slice(0, 8)
  const hash = (text) => createHash('sha256').update(text).digest('hex')
  const mac = (key, text) => createHmac('sha256', key).update(text).digest()
  const signed = { host: `${BIND}:${port}`, 'x-amz-content-sha256': hash(''), 'x-amz-date': time }
  const names = Object.keys(signed).join(';')
  const lines = Object.entries(signed).map(([name, value]) => `${name}:${value}`)
  const request = ['PUT', `/${bucket}`, '', ...lines, '', names, hash('')].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const key = [day, region, 's3', 'aws4_request'].reduce(mac, `AWS4${secretAccessKey}`)
  const signature = mac(key, ['AWS4-HMAC-SHA256', time, scope, hash(request)].join('\n')).toString('hex')
  const { host: _, ...headers } = signed
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
  const response = await fetch(`http://${BIND}:${port}/${bucket}`, { method: 'PUT', headers: { ...headers, authorization } })
  const answer = await response.text()
  // 409: it is there already, and it is ours.
  if (!response.ok && response.status !== 409) {
    throw new SetupError(`the S3 server made no bucket ${bucket}: ${response.status} ${answer.slice(0, 300)}`)
  }
}
