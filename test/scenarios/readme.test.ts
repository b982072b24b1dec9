import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { freePort, ServerProcess } from '../support/server-process.ts'

const run = promisify(execFile)
const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const tour = readme.slice(readme.indexOf('## A tour of a minute'), readme.indexOf('## Use it'))
const commands = [...tour.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1])

describe('the tour of the README', () => {
  const data = mkdtempSync(join(tmpdir(), 'tidemark-readme-'))
  let port = 0
  let server: ServerProcess
  const type = async (command: string) =>
    (await run('bash', ['-c', command.replaceAll('127.0.0.1:4000', `127.0.0.1:${port}`).replaceAll('data/pid', `${data}/pid`)])).stdout

  beforeAll(async () => {
    port = await freePort()
    server = await ServerProcess.start(port, ['--config', 'quickstart.yaml', '--data', data])
  })

  afterAll(async () => {
    await server.kill('SIGKILL')
    rmSync(data, { recursive: true, force: true })
  })

  it('shows this machine within 15 seconds', async () => {
    let answer = ''
    for (let tries = 0; tries < 30 && !answer.includes('"idle"'); tries++) {
      answer = await type(commands[0])
      if (!answer.includes('"idle"')) await new Promise((resolve) => setTimeout(resolve, 500))
    }
    expect(answer).toMatch(/"mode":"idle"/)
  })

  it('works as it is written, and survives kill -9', async () => {
    expect(commands.length).toBe(5)
    expect(JSON.parse(await type(commands[1]))).toMatchObject({ acceptedSamples: 1, rejectedSamples: 0 })
    const asked = await type(commands[2])
    expect(JSON.parse(asked)).toMatchObject({
      data: {
        instantQuery: {
          result: {
            series: [
              {
                labels: [
                  { name: '__name__', value: 'room_temperature' },
                  { name: 'room', value: 'kitchen' },
                ],
                value: 21.5,
              },
            ],
          },
        },
      },
    })
    const { data: answer } = JSON.parse(await type(commands[3]))
    expect(answer.server.topics[0].partitions.length).toBe(4)
    await type(commands[4])
    await server.ended
    server = await ServerProcess.start(port, ['--config', 'quickstart.yaml', '--data', data])
    expect(await server.query('room_temperature')).toEqual({ '{"__name__":"room_temperature","room":"kitchen"}': 21.5 })
  })

  it('stops in order at SIGTERM, with 0', async () => {
    expect(await server.kill('SIGTERM')).toBe(0)
  })
})

describe('commands beside a running server', () => {
  it('seal, query and agent work on it', async () => {
    const data = mkdtempSync(join(tmpdir(), 'tidemark-commands-'))
    const port = await freePort()
    const server = await ServerProcess.start(port, ['--data', data])
    const tidemark = async (...args: string[]) =>
      (await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'src/main.ts', ...args])).stdout
    try {
      const agent = run(process.execPath, ['src/main.ts', 'agent', '--url', server.url, '--interval', '500ms', '--instance', 'web-1'])
      for (let tries = 0; tries < 100 && Object.keys(await server.query('node_load1')).length === 0; tries++)
        await new Promise((resolve) => setTimeout(resolve, 100))
      agent.child.kill('SIGTERM')
      await agent
      expect(await tidemark('query', 'node_load1', '--url', server.url)).toMatch(/node_load1\{instance="web-1", job="node"\} {2}\d/)
      expect(await tidemark('seal', '--url', server.url)).toMatch(/^sealed in/)
      expect(Object.keys(await server.query('node_load1')).length).toBe(1)
    } finally {
      await server.kill('SIGKILL')
      rmSync(data, { recursive: true, force: true })
    }
  })
})
