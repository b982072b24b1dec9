import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly timeMs: number
  readonly value: number
}

export interface Pushed {
  readonly status: number
  readonly position: string | null
  readonly retryAfter: string | null
  readonly text: string
}

/** A real server in a process of its own. */
export class ServerProcess {
  readonly url: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #printed: { text: string }

  private constructor(child: ChildProcess, printed: { text: string }) {
    this.#child = child
    this.#printed = printed
    this.url = /open +(\S+)/.exec(printed.text)?.[1] ?? ''
    this.pid = Number(/process +(\d+)/.exec(printed.text)?.[1])
  }

  /**
   * Resolves when it is ready. @param through a program and its arguments that start the server, such as strace
   * @throws with what the server printed when it ended instead
   */
  static async start(data: string, through: readonly string[] = [], environment: Record<string, string> = {}): Promise<ServerProcess> {
    const [command, ...args] = [...through, process.execPath, MAIN, 'serve', '--port', '0', '--data', data, '--query-workers', '1']
    const child = spawn(command as string, args, {
      env: { PATH: process.env.PATH, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const printed = { text: '' }
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        printed.text += chunk
      })
    }
    const ended = once(child, 'close')
    while (!/collects/.test(printed.text)) {
      const exited = await Promise.race([ended.then(() => true), delay(10, false)])
      if (exited) throw new Error(`the server ended: ${printed.text}`)
    }
    const server = new ServerProcess(child, printed)
    while ((await fetch(`${server.url}/-/ready`).catch(() => null))?.status !== 200) {
      if (child.exitCode !== null) throw new Error(`the server ended: ${printed.text}`)
      await delay(10)
    }
    return server
  }

  /** All that it has printed. */
  get printed(): string {
    return this.#printed.text
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async push(samples: readonly Sample[]): Promise<Pushed> {
    const series = samples.map(({ labels, timeMs, value }) => ({ labels, samples: [[timeMs, value]] }))
    const response = await fetch(`${this.url}/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ series }),
    })
    const text = await response.text()
    const { headers, status } = response
    return { status, position: headers.get('x-tidemark-position'), retryAfter: headers.get('retry-after'), text }
  }

  async seal(): Promise<number> {
    const response = await fetch(`${this.url}/-/seal`, { method: 'POST' })
    await response.text()
    return response.status
  }

  /** An instant query. @returns the value by the label `by`, or the error's text */
  async query(expression: string, timeMs: number, by = 'i'): Promise<Map<string, number> | string> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query: expression, time: String(timeMs / 1000) })}`)
    const answer = (await response.json()) as {
      error?: string
      data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
    }
    if (answer.data === undefined) return answer.error ?? 'no answer'
    const values = new Map<string, number>()
    for (const { metric, value } of answer.data.result) {
      if (values.has(metric[by] ?? '')) throw new Error(`answered twice: ${JSON.stringify(metric)}`)
      values.set(metric[by] ?? '', Number(value[1]))
    }
    return values
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** @returns the exit code */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM')
    return this.#child.exitCode
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.isRunning) return
    const ended = once(this.#child, 'close')
    process.kill(this.pid, signal)
    await ended
  }
}

/** Text that doesn't compress well: the same for the same seed. */
export function noise(next: () => number, length: number): string {
  let text = ''
  while (text.length < length)
    text += Math.floor(next() * 36 ** 8)
      .toString(36)
      .padStart(8, '0')
  return text.slice(0, length)
}
