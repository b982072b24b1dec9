export type EngineName = 'kafka' | 'cassandra' | 's3'

export interface S3Address {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface EngineAddresses {
  /** Brokers, as host:port. */
  readonly kafka: readonly string[]
  /** host:port; the data centre is datacenter1. */
  readonly cassandra: string
  readonly s3: S3Address
}

export interface User {
  readonly username: string
  readonly password: string
}

/** What every start takes. */
export interface StartOptions {
  /** Folder of this instance, absolute: configuration, logs, data. Data that stands here is kept. */
  readonly run: string
  /** How long the engine has to answer. */
  readonly timeoutMs?: number
  /** Gets a line for each step that takes long. */
  readonly say?: (line: string) => void
  readonly signal?: AbortSignal
  /** Goes on when this process has ended; otherwise it ends with it. */
  readonly stays?: boolean
}

// ---- instances of one's own: free ports unless given; whoever starts one stops it

export interface KafkaOptions extends StartOptions {
  /** 1 or 3; three replicate (min.insync.replicas 2, session timeout 3 s). Default: as the data has it, else 1. */
  readonly brokers?: number
  /** Of the first broker; the next listen on the following ports. */
  readonly port?: number
  readonly controllerPort?: number
  /** As Java's -Xmx. */
  readonly heap?: string
  /** Further lines of server.properties; they win. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>
  /** A listener more with SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512). Users of SCRAM are made with the data folder. */
  readonly sasl?: boolean
  /** A listener more with TLS; with `sasl` one with both, too. */
  readonly tls?: boolean
  /** Keeps an archive of loaded classes at the first clean stop, which makes that stop slower and later starts faster. */
  readonly archive?: boolean
}

/** Brokers are numbered from 0. */
export interface KafkaHandle {
  readonly addresses: readonly string[]
  readonly saslAddresses: readonly string[]
  readonly tlsAddresses: readonly string[]
  readonly saslTlsAddresses: readonly string[]
  /** Who may log in at the listeners with SASL. */
  readonly user: User
  /** PEM of the authority to trust at the listeners with TLS; empty without. */
  readonly ca: string
  log(broker: number): string
  pid(broker: number): number | null
  /** SIGKILL; resolves when it is gone. */
  kill(broker: number): Promise<void>
  /** SIGSTOP; false if it does not run. */
  pause(broker: number): boolean
  resume(broker: number): boolean
  /** SIGTERM, and SIGKILL if that does not end it in time. */
  terminate(broker: number): Promise<'absent' | 'ended' | 'killed'>
  /** Ends it if it runs, starts it on the same data and ports, waits until it lists itself. */
  restart(broker: number): Promise<void>
  stop(): Promise<unknown>
}

export interface CassandraOptions extends StartOptions {
  readonly port?: number
  readonly storagePort?: number
  readonly jmxPort?: number
  /** As Java's -Xmx; default 1g. */
  readonly heap?: string
  /** Flushes changes of the schema, as a real one does: for tests that kill it. */
  readonly durable?: boolean
  /** Clients must log in (`user` of the handle). */
  readonly authentication?: boolean
  /** Clients must speak TLS. */
  readonly tls?: boolean
}

/** An instance of one process. */
export interface ProcessHandle {
  log(): string
  pid(): number | null
  kill(): Promise<void>
  pause(): boolean
  resume(): boolean
  terminate(): Promise<'absent' | 'ended' | 'killed'>
  /** Ends it if it runs, starts it on the same data and ports, waits until it answers. */
  restart(): Promise<void>
  stop(): Promise<unknown>
}

export interface CassandraHandle extends ProcessHandle {
  readonly address: string
  readonly datacenter: string
  /** Null where nobody has to log in. */
  readonly user: User | null
  readonly ca: string
  readonly jmxPort: number
}

export interface S3Options extends StartOptions {
  readonly port?: number
  /** Is made if it is not there. */
  readonly bucket?: string
}

export interface S3Handle extends ProcessHandle, S3Address {}

export function startKafka(options: KafkaOptions): Promise<KafkaHandle>
export function startCassandra(options: CassandraOptions): Promise<CassandraHandle>
export function startS3(options: S3Options): Promise<S3Handle>

// ---- the instance that tests share

export interface SharedOptions {
  readonly names?: readonly EngineName[]
  readonly run?: string
  readonly say?: (line: string) => void
  readonly signal?: AbortSignal
  readonly brokers?: number
  readonly kafkaPort?: number
  readonly cassandraPort?: number
  readonly s3Port?: number
}

export interface ProcessStatus {
  readonly process: string
  readonly engine: EngineName
  readonly version: string
  readonly state: 'up' | 'not answering' | 'down'
  readonly pid: number | null
  readonly address: string | null
  readonly residentBytes: number | null
  readonly data: string
  readonly log: string
}

export function up(options?: SharedOptions): Promise<{ addresses: Partial<EngineAddresses>; started: EngineName[] }>
export function down(options?: SharedOptions): Promise<void>
export function wipe(options?: SharedOptions): Promise<void>
export function status(run?: string): Promise<ProcessStatus[]>
export function addressesOf(run?: string): Promise<Partial<EngineAddresses>>
export function runnable(names?: readonly EngineName[]): EngineName[]
/** Why this machine can't run an engine; null if it can. */
export function whyNot(name: EngineName, env?: Readonly<Record<string, string | undefined>>): string | null
export function install(name: EngineName, options?: { say?: (line: string) => void; signal?: AbortSignal }): Promise<string>

// ---- parts, for tests

export function parseArguments(
  args: readonly string[],
  cwd?: string,
): {
  command: string
  names: EngineName[]
  run: string
  json: boolean
  brokers?: number
  kafkaPort?: number
  cassandraPort?: number
  s3Port?: number
  usage?: string
}
export function defaultRun(): string
export function enginesHome(env?: Readonly<Record<string, string | undefined>>): string
export const engineNames: readonly EngineName[]
export const ports: Readonly<Record<'kafka' | 'kafkaController' | 'cassandra' | 'cassandraStorage' | 'cassandraJmx' | 's3', number>>
export const versions: Readonly<Record<'kafka' | 'log4j' | 'cassandra' | 'versitygw', string>>
export const s3Credentials: Omit<S3Address, 'endpoint'>
export const saslUser: User
export const superuser: User
export const DATACENTER: string
export interface Keystore {
  readonly path: string
  readonly password: string
}
export function kafkaProperties(
  broker: number,
  shape: {
    ports: readonly number[]
    controllerPorts: readonly number[]
    extraPorts?: Readonly<Record<string, readonly number[]>>
    data: string
    keystore?: Keystore | null
    properties?: Readonly<Record<string, string | number | boolean>>
  },
): string
export function cassandraYaml(shape: {
  port: number
  storagePort: number
  data: string
  authentication?: boolean
  keystore?: Keystore | null
}): string
export function findJava(
  engine: 'kafka' | 'cassandra',
  env?: Readonly<Record<string, string | undefined>>,
  candidates?: Iterable<string>,
): { java: string; version: string; major: number; problem?: undefined } | { problem: string }
export function javaMajor(version: string): number
export function pom(coordinates: readonly string[]): string
export function metadataRequest(): Buffer
export function brokerPorts(answer: Buffer): number[] | undefined
export function portIsFree(port: number, host?: string): Promise<boolean>
export function freePorts(count: number): Promise<number[]>
export function demandFreePort(port: number, what: string, remedy: string): Promise<void>
export function portHolder(port: number): { pid: number; command: string } | null
export function withLock<T>(path: string, body: () => T | Promise<T>, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<T>
