import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import { createProgram, readVersion } from '../../src/cli/program.ts'
import { lockDataFolder } from '../../src/engines/embedded/data-lock.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const SERVE_URL = new URL('../../src/cli/serve.ts', import.meta.url).href

let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-cli-'))
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** A Node process and what it has printed so far. */
function run(args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...args], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  const printed = { out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    printed.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    printed.err += chunk
  })
  const ended = once(child, 'close').then(([code, signal]) => ({ ...printed, code: code ?? signal }))
  return { child, printed, ended }
}

const tidemark = (args: readonly string[], environment?: Record<string, string>) => run([MAIN, ...args], environment).ended

describe('the command line', () => {
  it('explains every flag of every command, with its default', () => {
    for (const command of createProgram().commands) {
      expect(command.description()).not.toBe('')
      for (const option of command.options) {
        expect(option.description.length).toBeGreaterThan(5)
        const line = `${option.flags} ${option.description}`
        const isOptional = option.required && command.name() !== 'query'
        if (isOptional && option.defaultValue === undefined) expect(line).toMatch(/\(.*default: /)
      }
    }
  })

  it('prints its version, and help with an error for what it does not know', async () => {
    expect(await tidemark(['--version'])).toMatchObject({ out: `${readVersion()}\n`, code: 0 })
    const { err, code } = await tidemark(['serve', '--prot', '1'])
    expect(err).toContain('Did you mean --port?')
    expect(code).not.toBe(0)
  })

  it('refuses a wrong configuration in one line', async () => {
    expect(await tidemark(['serve', '--port', 'x'])).toEqual({
      out: '',
      err: 'tidemark: --port: port: expected a whole number from 0 to 65535, met "x"\n',
      code: 1,
    })
  })
})

describe('serve', () => {
  it('says that a port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const port = String((server.address() as AddressInfo).port)
    const { err, code } = await tidemark(['serve', '--port', port, '--data', folder])
    server.close()
    expect(err).toBe(
      `tidemark: port ${port} of 127.0.0.1 is taken: something listens there already, perhaps another tidemark; choose another with --port\n`,
    )
    expect(code).toBe(1)
  })

  it('says which process uses a data folder', async () => {
    const lock = lockDataFolder(folder)
    const { err, code } = await tidemark(['serve', '--port', '0', '--data', folder])
    lock.release()
    expect(err).toBe(`tidemark: data folder ${folder} is in use by process ${process.pid}\n`)
    expect(code).toBe(1)
  })

  /** `serve` around a server that takes `stopMs` to stop. */
  async function served(stopMs: number) {
    const script = `
      const { serve } = await import(${JSON.stringify(SERVE_URL)})
      const stop = () => new Promise((resolve) => setTimeout(() => { console.log('drained'); resolve() }, ${stopMs}))
      setInterval(() => {}, 1000)
      await serve({ port: '0', data: ${JSON.stringify(folder)}, logLevel: 'silent' }, '1.2.3', async () => ({ address: 'http://127.0.0.1:1/', stop }))`
    const running = run(['--input-type=module', '--eval', script])
    await once(running.child.stdout!, 'data')
    return running
  }

  it('prints where to look, whom to stop and what is collected', async () => {
    const { child, printed } = await served(0)
    expect(printed.out).toContain('Tidemark 1.2.3\n  open      http://127.0.0.1:1/\n')
    expect(printed.out).toContain(`process   ${child.pid}\n`)
    expect(printed.out).toContain(`data      ${folder}\n`)
    expect(printed.out).toContain('collects  nothing by itself: it holds what is sent to it\n')
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`drains and exits with 0 at ${signal}, whatever is still open`, async () => {
      const { child, ended } = await served(50)
      child.kill(signal)
      expect(await ended).toMatchObject({ code: 0, out: expect.stringContaining('drained'), err: '' })
      lockDataFolder(folder).release()
    })
  }

  it('takes the echo of a signal for the same wish, and exits at once at a second one', async () => {
    const { child, ended } = await served(60_000)
    child.kill('SIGINT')
    child.kill('SIGINT')
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(child.exitCode).toBeNull()
    child.kill('SIGINT')
    expect((await ended).code).toBe(130)
  })
})

describe('commands that talk to a server', () => {
  /** Answers one request with a body and tells what was asked. */
  async function withServer(status: number, body: unknown, use: (url: string) => Promise<{ out: string; err: string; code: number }>) {
    const asked: { url?: string; method?: string; body: string; authorization?: string }[] = []
    const server = createHttpServer(async (request: IncomingMessage, response) => {
      let text = ''
      for await (const chunk of request) text += chunk
      asked.push({ url: request.url, method: request.method, body: text, authorization: request.headers.authorization })
      response.writeHead(status, { 'content-type': 'application/json' }).end(typeof body === 'string' ? body : JSON.stringify(body))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const result = await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    server.close()
    return { ...result, asked }
  }

  const vector = {
    status: 'success',
    data: { resultType: 'vector', result: [{ metric: { __name__: 'up', job: 'node' }, value: [1700000000, '1'] }] },
    warnings: ['mind the gap'],
  }

  it('print an answer as a table, its warnings apart from it', async () => {
    const { out, err, code, asked } = await withServer(200, vector, (url) =>
      tidemark(['query', 'up', '--time', '1700000000', '--url', `${url}/`]),
    )
    expect([out, err, code]).toEqual(['up{job="node"}  1  2023-11-14T22:13:20.000Z\n', 'tidemark: mind the gap\n', 0])
    expect(asked).toEqual([expect.objectContaining({ url: '/api/v1/query', method: 'POST', body: 'query=up&time=1700000000' })])
  })

  it('print it as JSON, and show the token of the environment', async () => {
    const { out, asked } = await withServer(200, vector, (url) =>
      tidemark(['query', 'up', '--format', 'json'], { TIDEMARK_URL: url, TIDEMARK_TOKEN: 'abc' }),
    )
    expect(JSON.parse(out)).toEqual(vector.data)
    expect(asked[0]?.authorization).toBe('Bearer abc')
  })

  it('pass on what the server says is wrong', async () => {
    const body = { status: 'error', errorType: 'bad_data', error: '1:3: parse error: unexpected end of input' }
    const { err, code } = await withServer(400, body, (url) => tidemark(['query', 'a+', '--url', url]))
    expect([err.endsWith('answered 400: 1:3: parse error: unexpected end of input\n'), code]).toEqual([true, 1])
    expect((await withServer(401, '', (url) => tidemark(['seal', '--url', url]))).err).toContain('asks for a token')
  })

  it('ask to seal', async () => {
    const { out, asked } = await withServer(200, '', (url) => tidemark(['seal', '--url', url]))
    expect(out).toMatch(/^sealed in \d/)
    expect(asked[0]).toMatchObject({ url: '/-/seal', method: 'POST' })
  })

  it('say that none answers', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await new Promise((resolve) => server.close(resolve))
    const { err, code } = await tidemark(['query', 'up', '--url', url])
    expect([err, code]).toEqual([`tidemark: no server answers at ${url} (ECONNREFUSED); is "tidemark serve" running there?\n`, 1])
    expect((await tidemark(['seal', '--url', 'nonsense'])).err).toContain('expected a URL')
  })
})
