import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from '@jest/globals'
import { Client } from 'cassandra-driver'
import { Kafka, logLevel } from 'kafkajs'
import { describeWithEngines } from '../support/engines.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const section = readme.slice(readme.indexOf('## Many machines'), readme.indexOf('## Numbers'))
const commands = [...section.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1])

const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** All but the last digit of eight ports that are free, as 410 is of 4101 to 4108. */
async function freePorts(): Promise<string> {
  for (let start = 1100 + (process.pid % 1000); start < 3200; start++) {
    const free = await Promise.all(Array.from({ length: 8 }, (_, i) => isFree(10 * start + i + 1)))
    if (free.every(Boolean)) return `${start}`
  }
  throw new Error('there are no eight free ports in a row')
}

/** As it is written, but for ports, folder, and names in Kafka and Cassandra: others use the same engines. */
describeWithEngines(['kafka', 'cassandra'], 'the README starts a cluster on them', 'the cluster section of the README', (addresses) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-readme-cluster-'))
  const config = join(folder, 'cluster.yaml')
  const name = `readme${randomUUID().slice(0, 8)}`
  let ports = '410'

  const type = (command: string) => {
    const typed = command.replaceAll('410', ports).replaceAll('data/cluster', folder).replaceAll('cluster.yaml', config)
    const environment = { TIDEMARK_ENGINES_KAFKA_TOPIC_PREFIX: name, TIDEMARK_ENGINES_CASSANDRA_KEYSPACE: name }
    const child = spawn('bash', ['-c', typed], { cwd: root, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return new Promise<string>((resolve, reject) =>
      // What it has started in the background goes on.
      child.once('exit', (code) => (code === 0 ? setImmediate(() => resolve(output)) : reject(new Error(`${typed}\n${code}: ${output}`)))),
    )
  }
  const typeOf = (word: string) => {
    const found = commands.filter((command) => command.includes(word))
    expect([word, found.length]).toEqual([word, 1])
    return type(found[0])
  }

  beforeAll(async () => {
    ports = await freePorts()
    const written = readFileSync(join(root, 'cluster.yaml'), 'utf8')
    const own = written
      .replaceAll('127.0.0.1:410', `127.0.0.1:${ports}`)
      .replace('127.0.0.1:29092', addresses.kafka[0])
      .replace('127.0.0.1:29042', addresses.cassandra)
    writeFileSync(config, own)
  })

  afterAll(async () => {
    for (const file of readdirSync(folder).filter((file) => file.endsWith('.log'))) {
      const pid = /^ {2}process +(\d+)$/m.exec(readFileSync(join(folder, file), 'utf8'))?.[1]
      try {
        if (pid !== undefined) process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It has ended.
      }
    }
    const admin = new Kafka({ brokers: [...addresses.kafka], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: ['samples', 'operations', 'membership'].map((topic) => `${name}.${topic}`) }).catch(() => {})
    await admin.disconnect()
    const client = new Client({ contactPoints: [addresses.cassandra], localDataCenter: 'datacenter1' })
    await client.execute(`DROP KEYSPACE IF EXISTS ${name}`)
    await client.shutdown()
    rmSync(folder, { recursive: true, force: true })
  }, 60_000)

  it('works as it is written, and survives kill -9 of a projector', async () => {
    expect(commands.length).toBe(7)
    expect(commands[0]).toBe('npm run engines -- up kafka cassandra\n')
    await typeOf('migrate')
    expect(await typeOf('for process in')).toContain('Tidemark is Ready.')
    const asked = await typeOf('/api/v1/push')
    expect(asked).toContain('"acceptedSamples":1')
    expect(asked).toContain('"__name__":"room_temperature"')
    expect(asked).toContain('"21.5"')
    const survived = await typeOf('kill -9')
    expect(survived).toContain('tidemark_projection_partitions 16')
    expect(survived).toContain('"__name__":"room_temperature"')
    expect(survived).toContain(`"instance":"127.0.0.1:${ports}3"`)
    expect(await typeOf('--port 4103')).toContain('tidemark_projection_partitions 8')
    const stop = commands[6].split('\n').filter((line) => line !== 'npm run engines -- down')
    await type(stop.join('\n'))
    for (const process of [1, 2, 3, 4, 5, 6, 7, 8]) {
      await type(`for i in $(seq 150); do grep -q '"stopped"' data/cluster/410${process}.log && exit 0; sleep 0.1; done; exit 1`)
    }
  }, 240_000)
})
