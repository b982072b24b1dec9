import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import kafkajs, { type Admin } from 'kafkajs'
import { type CassandraHandle, type KafkaHandle, type S3Address, startCassandra, startKafka } from '../../scripts/engines/index.mjs'
import { connectCassandra } from '../../src/engines/cassandra/connection.ts'
import { connectKafka } from '../../src/engines/kafka/connection.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { fleetRequests } from '../ingest/fleet.ts'
import { snappyCompress } from '../ingest/write-request.ts'
import { cassandraSettings } from '../support/cassandra-settings.ts'
import { describeWithEngines } from '../support/engines.ts'
import { kafkaSettings } from '../support/kafka-settings.ts'
import { freePort, ServerProcess } from '../support/server-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const SECRET = 'not-the-secret-9f3c'
const REFUSED_MS_MAX = 18_000
const TEST_MS = 120_000

type Section = Readonly<Record<string, unknown>>
interface Engines {
  readonly kafka: Section
  readonly cassandra: Section
  readonly s3?: Section
}
type Changes = { readonly [Name in keyof Engines]?: Section } & { readonly partitions?: number }

/** Configurations in a folder of their own, and the command line on them. */
class Commands {
  #folder: string | null = null
  #count = 0

  /** Made when it is wanted: suites that are skipped leave none. */
  get folder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'tidemark-start-'))
    return this.#folder
  }

  file(name: string, text: string): string {
    const path = join(this.folder, name)
    writeFileSync(path, text)
    return path
  }

  config(engines: Engines, { partitions, ...changes }: Changes = {}): string {
    const sections = (['kafka', 'cassandra', 's3'] as const)
      .filter((name) => engines[name] !== undefined || changes[name] !== undefined)
      .map((name) => [name, { ...engines[name], ...changes[name] }])
    const config = { engines: Object.fromEntries(sections), log_level: 'error', ...(partitions !== undefined && { partitions }) }
    // JSON is YAML.
    return this.file(`${this.#count++}.yaml`, JSON.stringify(config))
  }

  async run(command: 'migrate' | 'serve', config: string): Promise<{ code: number | null; out: string; error: string; ms: number }> {
    const startMs = performance.now()
    const args = ['--disable-warning=ExperimentalWarning', 'src/main.ts', command, '--config', config]
    const child = spawn(process.execPath, command === 'serve' ? [...args, '--port', '0'] : args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TEST_MS / 2,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let error = ''
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      error += chunk.toString()
    })
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    return { code, out, error, ms: performance.now() - startMs }
  }

  async migrated(config: string): Promise<string> {
    const { code, out, error } = await this.run('migrate', config)
    expect([code, error]).toEqual([0, ''])
    return /^cluster {3}(\S+)$/m.exec(out)?.[1] ?? `no cluster in ${out}`
  }

  /** What is said in place of starting: lines without a stack, a secret or a long wait. */
  async refused(command: 'migrate' | 'serve', config: string): Promise<string> {
    const { code, out, error, ms } = await this.run(command, config)
    expect([code, out, error]).toEqual([1, '', expect.stringMatching(/^(tidemark: .+\n)+$/)])
    expect(error).not.toMatch(/\n\s+at |KafkaJS|\[object|undefined|Error: /)
    expect(error).not.toContain(SECRET)
    expect(ms).toBeLessThan(REFUSED_MS_MAX)
    return error
  }

  remove(): void {
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true })
  }
}

describeWithEngines(
  ['kafka', 'cassandra', 's3'],
  'it is real engines that do not fit',
  'what keeps a cluster from starting',
  (addresses) => {
    const commands = new Commands()
    const admin = () => connectKafka(kafkaSettings(addresses.kafka), 'test', silentLogger).admin()
    const withAdmin = async <T>(work: (admin: Admin) => Promise<T>): Promise<T> => {
      const own = admin()
      await own.connect()
      try {
        return await work(own)
      } finally {
        await own.disconnect()
      }
    }
    const withCassandra = async (...statements: string[]) => {
      const client = await connectCassandra(cassandraSettings(addresses.cassandra), null, silentLogger)
      for (const statement of statements) await client.execute(statement, [], { prepare: false })
      await client.shutdown()
    }

    let names: string[]
    let name: string
    let engines: Engines
    const another = () => {
      names.push(`start${randomUUID().slice(0, 8)}`)
      return names[names.length - 1]
    }

    beforeEach(() => {
      names = []
      name = another()
      engines = {
        kafka: { brokers: addresses.kafka, topic_prefix: name },
        cassandra: { contact_points: [addresses.cassandra], keyspace: name },
      }
    })

    afterEach(async () => {
      await withAdmin(async (own) => {
        const topics = (await own.listTopics()).filter((topic) => names.some((prefix) => topic.startsWith(`${prefix}.`)))
        if (topics.length > 0) await own.deleteTopics({ topics })
      })
      await withCassandra(...names.map((keyspace) => `DROP KEYSPACE IF EXISTS ${keyspace}`))
    }, TEST_MS)

    afterAll(() => commands.remove())

    describe('an engine that can not be reached', () => {
      it(
        'says that no broker runs there',
        async () => {
          const broker = `127.0.0.1:${await freePort()}`
          const text = await commands.refused('migrate', commands.config(engines, { kafka: { brokers: [broker] } }))
          expect(text).toContain(`kafka at ${broker}: `)
          expect(text).toContain('are the brokers running there, and do engines.kafka.tls and sasl suit that port?')
        },
        TEST_MS,
      )

      it(
        'says that no node runs there',
        async () => {
          const node = `127.0.0.1:${await freePort()}`
          const text = await commands.refused('serve', commands.config(engines, { cassandra: { contact_points: [node] } }))
          expect(text).toContain(`cassandra at ${node}: `)
          expect(text).toContain('is it running there, and are engines.cassandra.contact_points and tls right?')
        },
        TEST_MS,
      )

      it(
        'gives up on what accepts and says nothing',
        async () => {
          const silent = createTcpServer()
          await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
          const address = `127.0.0.1:${(silent.address() as AddressInfo).port}` // listening on TCP
          const [kafka, cassandra] = await Promise.all([
            commands.refused('migrate', commands.config(engines, { kafka: { brokers: [address] } })),
            commands.refused('serve', commands.config(engines, { cassandra: { contact_points: [address] } })),
          ])
          silent.close()
          expect(kafka).toMatch(/no answer .* engines\.kafka/)
          expect(cassandra).toMatch(/did not reply .* engines\.cassandra/)
        },
        TEST_MS,
      )

      it(
        'names the data centres that there are',
        async () => {
          const text = await commands.refused('migrate', commands.config(engines, { cassandra: { data_center: 'elsewhere' } }))
          expect(text).toMatch(/'elsewhere'.*\[datacenter1\]; set engines\.cassandra\.data_center/)
        },
        TEST_MS,
      )
    })

    describe('topics and keyspaces that do not fit', () => {
      it(
        'are made first: whoever serves before is told how',
        async () => {
          const config = commands.config(engines)
          expect(await commands.refused('serve', config)).toMatch(/Keyspace '\w+' does not exist; run `tidemark migrate`/)
        },
        TEST_MS,
      )

      it(
        'names a topic that has gone, which another migration makes again',
        async () => {
          const config = commands.config(engines)
          const cluster = await commands.migrated(config)
          await withAdmin((own) => own.deleteTopics({ topics: [`${name}.membership`] }))
          expect(await commands.refused('serve', config)).toBe(
            `tidemark: topic ${name}.membership is missing: run \`tidemark migrate\` with this configuration, or make it\n`,
          )
          expect(await commands.migrated(config)).toBe(cluster)
          const server = await ServerProcess.start(await freePort(), ['--config', config, '--roles', 'ingest'])
          expect(await server.kill('SIGTERM')).toBe(0)
        },
        TEST_MS,
      )

      it(
        'refuses more copies than there are brokers, and than a topic has',
        async () => {
          const config = commands.config(engines, { kafka: { replication: 3 } })
          expect(await commands.refused('migrate', config)).toMatch(/has 1 broker, expected at least 3 .*set engines\.kafka\.replication/)
          await commands.migrated(commands.config(engines))
          const text = await commands.refused('serve', config)
          expect(text).toContain(
            `topic ${name}.samples has 1 copy of a partition, expected 3: add some with kafka-reassign-partitions.sh, or set`,
          )
          expect(text.split('\n').filter((line) => line.includes('has 1 copy'))).toHaveLength(3)
        },
        TEST_MS,
      )

      it(
        'refuses more copies than there are nodes',
        async () => {
          const text = await commands.refused('migrate', commands.config(engines, { cassandra: { replication: 3 } }))
          expect(text).toMatch(/keeps 3 copies, of which 2 must answer .* has 1 node: .*set engines\.cassandra\.replication/)
        },
        TEST_MS,
      )

      it(
        'refuses a topic that was made with another number of partitions',
        async () => {
          await withAdmin((own) => own.createTopics({ topics: [{ topic: `${name}.samples`, numPartitions: 3 }] }))
          const text = await commands.refused('migrate', commands.config(engines, { partitions: 4 }))
          expect(text).toContain(`topic ${name}.samples has 3 partitions, expected 4: `)
          expect(text).toContain('make the topic anew, or choose another engines.kafka.topic_prefix')
        },
        TEST_MS,
      )

      it(
        'refuses another number of partitions than the cluster was made with',
        async () => {
          await commands.migrated(commands.config(engines, { partitions: 4 }))
          const other = commands.config(engines, { partitions: 8 })
          for (const command of ['migrate', 'serve'] as const) {
            expect(await commands.refused(command, other)).toContain(
              "partitions: met 8, but this cluster was made with 4, which can't be changed: leave the setting out, or say 4",
            )
          }
        },
        TEST_MS,
      )

      it(
        'names settings of a topic that would lose samples or falsify times',
        async () => {
          const config = commands.config(engines)
          await commands.migrated(config)
          await withAdmin((own) =>
            own.alterConfigs({
              validateOnly: false,
              resources: [
                {
                  type: kafkajs.ConfigResourceTypes.TOPIC,
                  name: `${name}.samples`,
                  configEntries: [
                    { name: 'retention.ms', value: '60000' },
                    { name: 'message.timestamp.type', value: 'CreateTime' },
                    { name: 'max.message.bytes', value: '2097152' },
                  ],
                },
              ],
            }),
          )
          const text = await commands.refused('serve', config)
          expect(text).toMatch(/has message\.timestamp\.type CreateTime, expected LogAppendTime: kafka-configs\.sh --alter/)
          expect(text).toMatch(
            /keeps records for 60000 ms, expected \d+: kafka-configs\.sh --alter --topic \S+ --add-config retention\.ms=/,
          )
        },
        TEST_MS,
      )

      it(
        'refuses a keyspace of a newer version',
        async () => {
          const config = commands.config(engines)
          await commands.migrated(config)
          await withCassandra(`UPDATE ${name}.cluster SET schema_version = 99 WHERE name = 'cluster'`)
          for (const command of ['migrate', 'serve'] as const) {
            expect(await commands.refused(command, config)).toMatch(
              /has schema version 99, this program knows versions up to \d+: .*upgrade/,
            )
          }
        },
        TEST_MS,
      )

      it(
        'refuses two clusters on one set of topics',
        async () => {
          const first = await commands.migrated(commands.config(engines))
          const second = commands.config(engines, { cassandra: { keyspace: another() } })
          for (const command of ['migrate', 'serve'] as const) {
            const text = await commands.refused(command, second)
            expect(text).toContain(`the topics ${name}.* belong to another cluster (${first}) than the keyspace ${names[1]} (`)
            expect(text).toContain('choose another engines.kafka.topic_prefix or engines.cassandra.keyspace')
          }
        },
        TEST_MS,
      )

      it(
        'refuses topics that are not those the keyspace was filled from',
        async () => {
          const config = commands.config(engines, { partitions: 4 })
          const cluster = await commands.migrated(config)
          const server = await ServerProcess.start(await freePort(), ['--config', config, '--roles', 'ingest,project'])
          const [body] = fleetRequests(100, 1, Date.now()).map(snappyCompress)
          const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' }
          const pushed = await fetch(`${server.url}/api/v1/write`, { method: 'POST', headers, body: body.slice() })
          expect(pushed.status).toBe(204)
          for (let sealed = 0; sealed === 0; ) {
            const answer = await fetch(`${server.url}/-/seal`, { method: 'POST' })
            sealed = ((await answer.json()) as { data: { sealedBuckets: number } }).data.sealedBuckets
          }
          expect(await server.kill('SIGTERM')).toBe(0)
          // All is well: it has been read, and stands in the keyspace.
          expect(await commands.migrated(config)).toBe(cluster)
          const expected = new RegExp(
            `keyspace ${name} of cluster ${cluster} was filled up to offset [1-9]\\d* of partition \\d, .* ends at 0: .*topic_prefix`,
          )
          expect(await commands.refused('migrate', commands.config(engines, { kafka: { topic_prefix: another() } }))).toMatch(expected)
          await withAdmin((own) => own.deleteTopics({ topics: [`${name}.samples`] }))
          expect(await commands.refused('migrate', config)).toMatch(expected)
          expect(await commands.refused('serve', config)).toMatch(expected)
        },
        TEST_MS,
      )

      it(
        'are made once, however often and by however many',
        async () => {
          const config = commands.config(engines, { partitions: 4 })
          const clusters = await Promise.all([1, 2, 3].map(() => commands.migrated(config)))
          clusters.push(await commands.migrated(config))
          expect(new Set(clusters).size).toBe(1)
        },
        TEST_MS,
      )
    })

    describe('a bucket that can not hold the archive', () => {
      let proxy: Server
      let denying: string

      beforeAll(async () => {
        proxy = denyPuts(addresses.s3)
        await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
        denying = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` // listening on TCP
      })

      afterAll(() => {
        proxy.close()
      })

      const s3 = (changes: Section = {}) => {
        const { endpoint, region, accessKeyId, secretAccessKey } = addresses.s3
        return {
          endpoint,
          region,
          bucket: 'tidemark',
          path_style: true,
          access_key_id: accessKeyId,
          secret_access_key: secretAccessKey,
          ...changes,
        }
      }

      it(
        'is named, with what keeps it from that',
        async () => {
          await commands.migrated(commands.config(engines, { s3: s3() }))
          const key = 'check engines.s3.access_key_id and secret_access_key'
          const cases: [changes: Section, expected: string][] = [
            [
              { bucket: `absent-${name}` },
              `s3 bucket absent-${name}: there is no such bucket; make it, or name another one in engines.s3.bucket`,
            ],
            [{ secret_access_key: SECRET }, key],
            [{ access_key_id: 'nobody' }, key],
            [
              { endpoint: denying },
              "an object can't be put if it is absent (s3:PutObject): AccessDenied: Access Denied (403); allow it to this access key",
            ],
            [{ endpoint: `http://127.0.0.1:${await freePort()}` }, 'is engines.s3.endpoint right, and the store up?'],
          ]
          for (const [changes, expected] of cases) {
            const config = commands.config(engines, { s3: s3(changes) })
            const [migrating, serving] = await Promise.all([commands.refused('migrate', config), commands.refused('serve', config)])
            expect(migrating).toContain(expected)
            expect(serving).toContain(expected)
          }
        },
        TEST_MS,
      )
    })
  },
)

/** Before a real store: whatever writes is forbidden, as a policy would. */
function denyPuts({ endpoint }: S3Address): Server {
  const { hostname, port } = new URL(endpoint)
  return createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    if (method === 'PUT') {
      incoming.resume()
      outgoing.writeHead(403, { 'content-type': 'application/xml' })
      outgoing.end('<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>')
      return
    }
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
}

describeWithEngines(['kafka', 'cassandra'], 'engines of our own ask for passwords', 'a cluster behind passwords and TLS', () => {
  const commands = new Commands()
  let kafka: KafkaHandle
  let cassandra: CassandraHandle
  let engines: Engines

  beforeAll(async () => {
    ;[kafka, cassandra] = await Promise.all([
      startKafka({ run: join(commands.folder, 'kafka'), sasl: true, tls: true, heap: '256m' }),
      startCassandra({ run: join(commands.folder, 'cassandra'), authentication: true, tls: true, heap: '512m' }),
    ])
    const kafkaTls = { ca_file: commands.file('kafka.pem', kafka.ca) }
    const cassandraTls = { ca_file: commands.file('cassandra.pem', cassandra.ca) }
    engines = {
      kafka: { brokers: kafka.saslTlsAddresses, tls: kafkaTls, sasl: { mechanism: 'scram-sha-512', ...kafka.user } },
      cassandra: { contact_points: [cassandra.address], keyspace: 'secured', tls: cassandraTls, ...cassandra.user },
    }
  }, 300_000)

  afterAll(async () => {
    await Promise.all([kafka?.stop(), cassandra?.stop()])
    commands.remove()
  }, TEST_MS)

  it(
    'is made and runs with the right ones',
    async () => {
      const config = commands.config(engines)
      await commands.migrated(config)
      const server = await ServerProcess.start(await freePort(), ['--config', config, '--roles', 'ingest,project,query'])
      const answer = await fetch(`${server.url}/api/v1/query?query=1`)
      expect(answer.status).toBe(200)
      expect(await server.kill('SIGTERM')).toBe(0)
      expect(server.output).not.toContain(kafka.user.password)
    },
    TEST_MS,
  )

  it.each([
    [
      'a wrong password of Kafka',
      () => ({ kafka: { sasl: { mechanism: 'scram-sha-512', username: kafka.user.username, password: SECRET } } }),
      /check engines\.kafka\.sasl/,
    ],
    ['no password of Kafka', () => ({ kafka: { brokers: kafka.saslAddresses, tls: undefined, sasl: undefined } }), /engines\.kafka/],
    ['no TLS where Kafka speaks it', () => ({ kafka: { brokers: kafka.tlsAddresses, tls: undefined, sasl: undefined } }), /engines\.kafka/],
    ['TLS where Kafka speaks none', () => ({ kafka: { brokers: kafka.addresses, sasl: undefined } }), /engines\.kafka/],
    ['an authority that is not that of Kafka', () => ({ kafka: { tls: {} } }), /check engines\.kafka\.tls and the brokers' certificates/],
    ['a wrong password of Cassandra', () => ({ cassandra: { password: SECRET } }), /check engines\.cassandra\.username and password/],
    [
      'no password of Cassandra',
      () => ({ cassandra: { username: undefined, password: undefined } }),
      /engines\.cassandra\.username and password/,
    ],
    ['no TLS where Cassandra speaks it', () => ({ cassandra: { tls: undefined } }), /engines\.cassandra/],
    ['an authority that is not that of Cassandra', () => ({ cassandra: { tls: {} } }), /check engines\.cassandra\.tls/],
  ])(
    '%s is told',
    async (_, changes, expected) => {
      expect(await commands.refused('migrate', commands.config(engines, changes()))).toMatch(expected)
    },
    TEST_MS,
  )
})
