/** Whether an engine truly answers: one exchange in its own protocol, made by hand, since no driver may be installed yet. */
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { BIND } from './settings.mjs'

const TIMEOUT_MS = 3000

/** Sends bytes, hands what has come so far to `read` until that returns something; null on any error or delay. */
function exchange(port, request, read, { tls = false } = {}) {
  return new Promise((resolve) => {
    const socket = tls ? connectTls({ host: BIND, port, rejectUnauthorized: false }) : connect(port, BIND)
    let received = Buffer.alloc(0)
    const finish = (result) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(TIMEOUT_MS, () => finish(null))
    socket.on('error', () => finish(null))
    socket.on('close', () => finish(null))
    socket.on(tls ? 'secureConnect' : 'connect', () => socket.write(request))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const result = read(received, (more) => socket.write(more))
      if (result === undefined) return
      received = Buffer.alloc(0)
      if (result !== MORE) finish(result)
    })
  })
}

/** What `read` returns when it has taken the bytes and waits for the next answer. */
const MORE = Symbol('more')

const string16 = (text) => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return Buffer.concat([length, bytes])
}

// ---- Kafka

const METADATA = 3
const CORRELATION = 7

/** Metadata version 4 of no topics: who is in the cluster. */
export function metadataRequest() {
  const head = Buffer.alloc(8)
  head.writeInt16BE(METADATA, 0)
  head.writeInt16BE(4, 2)
  head.writeInt32BE(CORRELATION, 4)
  const body = Buffer.concat([head, string16('engines'), Buffer.from([0, 0, 0, 0, 0])])
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}

/** The ports of the brokers that an answer lists; undefined as long as it is not complete. */
export function brokerPorts(answer) {
  if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return undefined
  if (answer.readInt32BE(4) !== CORRELATION) return []
  const count = answer.readInt32BE(12)
  const found = []
  let at = 16
  for (let i = 0; i < count; i++) {
    at += 4
    at += 2 + answer.readInt16BE(at)
    found.push(answer.readInt32BE(at))
    at += 4
    at += 2 + Math.max(0, answer.readInt16BE(at))
  }
  return found
}

/** Whether the broker on `port` lists every one of `wanted` (ports of the same listener). */
export async function kafkaAnswers(port, wanted) {
  const listed = await exchange(port, metadataRequest(), brokerPorts)
  return listed !== null && wanted.every((one) => listed.includes(one))
}

// ---- Cassandra

const frame = (opcode, body) => {
  const head = Buffer.from([0x04, 0, 0, 1, opcode, 0, 0, 0, 0])
  head.writeInt32BE(body.length, 5)
  return Buffer.concat([head, body])
}

const STARTUP = 0x01
const READY = 0x02
const AUTHENTICATE = 0x03
const AUTH_RESPONSE = 0x0f
const AUTH_SUCCESS = 0x10

/** CQL STARTUP must be answered with READY, or, where there are passwords, a log-in must succeed. */
export async function cassandraAnswers(port, { tls = false, username = '', password = '' } = {}) {
  const startup = frame(STARTUP, Buffer.concat([Buffer.from([0, 1]), string16('CQL_VERSION'), string16('3.0.0')]))
  const answered = await exchange(
    port,
    startup,
    (answer, write) => {
      if (answer.length < 9 || answer.length < 9 + answer.readInt32BE(5)) return undefined
      const opcode = answer[4]
      if (opcode === AUTHENTICATE && username !== '') {
        const token = Buffer.from(`\0${username}\0${password}`)
        const length = Buffer.alloc(4)
        length.writeInt32BE(token.length)
        write(frame(AUTH_RESPONSE, Buffer.concat([length, token])))
        return MORE
      }
      return opcode === READY || opcode === AUTH_SUCCESS
    },
    { tls },
  )
  return answered === true
}

// ---- S3

export async function s3Answers(port) {
  try {
    const response = await fetch(`http://${BIND}:${port}/_health`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    await response.arrayBuffer()
    return response.status === 200
  } catch {
    return false
  }
}
