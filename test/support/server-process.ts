import { type ChildProcess, spawn } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // listening on TCP
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** `tidemark` as a process of its own, run from source. */
export class ServerProcess {
  readonly url: string
  output = ''
  readonly #child: ChildProcess
  readonly #ended: Promise<number | null>

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.url = `http://127.0.0.1:${port}`
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
    }
    this.#ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
  }

  /** Starts `tidemark serve` and waits until it is ready. */
  static async start(port: number, args: readonly string[], readyMs = 10_000): Promise<ServerProcess> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'src/main.ts', 'serve', '--port', `${port}`, ...args], {
      cwd: root,
    })
    const server = new ServerProcess(child, port)
    for (let tries = 0; ; tries++) {
      const response = await fetch(`${server.url}/-/ready`).catch(() => null)
      if (response?.ok) return server
      if (child.exitCode !== null || tries > readyMs / 25) {
        child.kill('SIGKILL')
        throw new Error(`the server did not get ready: ${server.output}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  kill(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal)
    return this.#ended
  }

  /** Resolves with the exit code when the process has ended. */
  get ended(): Promise<number | null> {
    return this.#ended
  }

  /** Values of an instant query, by the text of their labels. */
  async query(expr: string): Promise<Record<string, number>> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query: expr })}`)
    const body = (await response.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] }
      error?: string
    }
    if (!response.ok) throw new Error(body.error)
    return Object.fromEntries(body.data.result.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]))
  }
}
