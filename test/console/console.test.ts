import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals'
import { buildSchema, parse, validate } from 'graphql'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { SystemClock } from '../../src/engines/system-clock.ts'
import { createGraphqlFrontDoor } from '../../src/graphql/front-door.ts'
import { schemaUrl } from '../../src/graphql/schema.ts'
import { fakeDeps, labels } from '../graphql/fakes.ts'
import { describeIf } from '../support/requirements.ts'
import { machine, nothing, PageServer } from './page-server.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-console-'))
  const vite = join(root, 'node_modules/vite/bin/vite.js')
  execFileSync(process.execPath, [vite, 'build', 'console', '--outDir', folder, '--emptyOutDir', '--logLevel', 'error'], { cwd: root })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the built page', () => {
  it('names no outside address, and runs nothing inline', () => {
    const html = readdirSync(folder).filter((name) => name.endsWith('.html'))
    expect(html.sort()).toEqual(['graphiql.html', 'index.html'])
    for (const name of html) {
      const text = readFileSync(join(folder, name), 'utf8')
      expect(text).not.toMatch(/(src|href)="(https?:)?\/\//)
      expect(text).not.toMatch(/<script(?![^>]*src=)|<style| on\w+=/)
    }
    for (const name of readdirSync(join(folder, 'assets')).filter((file) => file.endsWith('.css'))) {
      expect(readFileSync(join(folder, 'assets', name), 'utf8')).not.toMatch(/url\(["']?(https?:)?\/\//)
    }
  })

  it('is small', () => {
    const text = readFileSync(join(folder, 'index.html'), 'utf8')
    const files = [...text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, path]) => readFileSync(join(folder, path as string)))
    expect(files.length).toBeGreaterThan(1)
    expect(files.reduce((bytes, file) => bytes + gzipSync(file).length, 0)).toBeLessThan(110_000)
  })

  it('compiles by its own strict rules', () => {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'console/tsconfig.json'], { cwd: root })
  })

  it('imports nothing of the server', () => {
    for (const name of readdirSync(join(root, 'console/src'))) {
      const text = readFileSync(join(root, 'console/src', name), 'utf8')
      for (const [, from] of text.matchAll(/from '([^']+)'/g)) expect([name, from?.startsWith('..')]).toEqual([name, false])
    }
  })
})

describeIf('chromium', 'the page is tested in a browser', 'the page', (executablePath) => {
  let browser: Browser
  let server: PageServer
  let context: BrowserContext
  let page: Page
  let complaints: string[]

  beforeAll(async () => {
    const flags = '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking'
    const args = [...flags.split(' '), '--disable-component-update', '--disable-sync']
    browser = await chromium.launch({ executablePath, args })
  })
  afterAll(() => browser.close())
  beforeEach(async () => {
    server = await PageServer.start(folder)
    await open({})
  })
  afterEach(async () => {
    await context.close()
    await server.close()
  })

  async function open(options: Parameters<Browser['newContext']>[0]): Promise<void> {
    await context?.close()
    context = await browser.newContext(options)
    context.setDefaultTimeout(8_000)
    page = await context.newPage()
    complaints = []
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) complaints.push(`asked ${request.url()}`)
    })
  }

  const card = (name: string) => page.getByRole('region', { name, exact: true })

  it('shows a machine and the server in live charts, and how fresh the data is', async () => {
    server.lagRecords = 3
    await page.goto(server.url)
    await card('CPU')
      .getByRole('img', { name: /^CPU, newest values: user [\d.]+ %, system/ })
      .waitFor()
    for (const name of ['Memory', 'Network', 'Disk', 'Requests', 'Latency', 'Samples', 'Event log: depth', 'Event log: lag']) {
      await card(name).locator('canvas').waitFor()
    }
    await card('Event log: depth').getByText('samples 3').waitFor()
    await page.getByText(/^data is 1\.\d s old$/).waitFor()
    await page.getByText('3 records').waitFor()
    await page.getByText('p0_0.1z_1.2k_2.m4_3.7').waitFor()
    expect(await drawn(page, 'CPU')).toBeGreaterThan(500)
    expect(complaints).toEqual([])
  })

  it('asks for everything in one request, again and again, and not when it is told to hold', async () => {
    await page.clock.install()
    await page.goto(server.url)
    await card('CPU').locator('canvas').waitFor()
    const first = server.asked.length
    await page.clock.runFor(5_100)
    await becomes(() => server.asked.length > first)
    expect(new Set(server.asked.map(({ query }) => query.slice(0, 15)))).toEqual(new Set(['query Dashboard']))
    await page.getByLabel('Live').uncheck()
    await becomes(() =>
      page
        .getByLabel('Live')
        .isChecked()
        .then((on) => !on),
    )
    await card('CPU').locator('canvas').waitFor()
    const held = server.asked.length
    await page.clock.runFor(20_000)
    expect(server.asked.length - held).toBeLessThanOrEqual(1)
  })

  it('looks as far back as it is told, and keeps that in its address', async () => {
    await page.goto(server.url)
    await page.getByText('1h', { exact: true }).click()
    await becomes(() => server.asked.some(({ variables }) => Number(variables.end) - Number(variables.start) === 3_600_000))
    expect(page.url()).toContain('range=1h')
    await page.reload()
    await page.getByRole('radio', { name: '1 hour' }).and(page.locator(':checked')).waitFor({ state: 'attached' })
  })

  it('says what will come while there is nothing', async () => {
    server.lines = nothing
    server.metrics = []
    await page.clock.install()
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'No samples yet' }).waitFor()
    await card('CPU').getByText('node_cpu_seconds_total').waitFor()
    await page.getByText('no data yet').waitFor()
    server.lines = machine
    await page.clock.runFor(5_100)
    await card('CPU').locator('canvas').waitFor()
    expect(await page.getByRole('heading', { name: 'No samples yet' }).count()).toBe(0)
  })

  it('offers what there is on a server that holds other data', async () => {
    server.lines = nothing
    server.metrics = ['orders_total']
    await page.goto(server.url)
    await page.getByText('This server holds data').waitFor()
    await page.getByText('up to date').waitFor()
    server.lines = (expr) => (expr === 'orders_total' ? [[{ __name__: 'orders_total' }, () => 7]] : [])
    await card('Explore').getByRole('button', { name: 'orders_total' }).click()
    await card('Explore').getByRole('row').filter({ hasText: 'orders_total{}' }).waitFor()
  })

  it('keeps what it knows when the server goes, says so, and recovers by itself', async () => {
    await page.clock.install()
    await page.goto(server.url)
    await card('CPU').locator('canvas').waitFor()
    const port = Number(new URL(server.url).port)
    await server.close()
    await page.clock.runFor(5_100)
    await page.getByRole('alert').getByText("The server can't be reached.").waitFor()
    await card('CPU').locator('canvas').waitFor()
    server = await PageServer.start(folder, port)
    await page.clock.runFor(10_100)
    await page.getByRole('alert').waitFor({ state: 'detached' })
    await page.getByText(/^data is/).waitFor()
  })

  it('shows what is wrong with one chart in its place', async () => {
    server.refuse = (expr) => (expr.includes('node_cpu') ? 'the query took longer than 120000 ms' : null)
    await page.goto(server.url)
    await card('CPU').getByRole('alert').getByText('the query took longer').waitFor()
    await card('Memory').locator('canvas').waitFor()
  })

  it('answers an expression with a chart and a table, and completes names of metrics', async () => {
    await page.goto(server.url)
    const input = page.getByRole('combobox', { name: 'PromQL expression' })
    await input.pressSequentially('rate(node_l')
    await page.getByRole('option', { name: /node_load1/ }).waitFor()
    await input.press('ArrowDown')
    await input.press('Enter')
    expect(await input.inputValue()).toBe('rate(node_load1')
    await input.pressSequentially('[1m])')
    await input.press('Enter')
    await card('Explore').locator('canvas').waitFor()
    await card('Explore').getByRole('row').filter({ hasText: 'node_load1{job="node"}' }).waitFor()
    expect(server.asked.some(({ variables }) => variables.query === 'rate(node_load1[1m])')).toBe(true)
    expect(new URL(page.url()).searchParams.get('q')).toBe('rate(node_load1[1m])')
    expect(complaints).toEqual([])
  })

  it('says once what is wrong with an expression', async () => {
    server.refuse = (expr) => (expr === 'up{' ? '1:4: parse error: unexpected end of input inside braces' : null)
    await page.goto(`${server.url}/?q=up%7B`)
    await card('Explore').getByRole('alert').waitFor()
    expect(await card('Explore').getByRole('alert').allTextContents()).toEqual(['1:4: parse error: unexpected end of input inside braces'])
  })

  it('asks for a token where one is needed, and keeps it for the tab', async () => {
    server.token = 'secret'
    await page.goto(server.url)
    const token = page.getByLabel('Token')
    await token.fill('guess')
    await token.press('Enter')
    await page.getByText('does not accept that token').waitFor()
    await token.fill('secret')
    await page.getByRole('button', { name: 'Show the data' }).click()
    await card('CPU').locator('canvas').waitFor()
    await page.reload()
    await card('CPU').locator('canvas').waitFor()
    expect(await page.evaluate('[sessionStorage.length, localStorage.length]')).toEqual([1, 0])
  })

  it('fits a narrow phone', async () => {
    await open({ viewport: { width: 320, height: 640 } })
    await page.goto(server.url)
    await card('CPU').locator('canvas').waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320)
  })

  it.each(['light', 'dark'] as const)('has text of good contrast in %s', async (colorScheme) => {
    await open({ colorScheme })
    await page.goto(server.url)
    await card('CPU').locator('canvas').waitFor()
    const pairs = [
      ['--ink', '--surface', 7],
      ['--ink-soft', '--surface', 4.5],
      ['--ink-soft', '--ground', 4.5],
      ['--accent', '--surface', 4.5],
      ['--accent-ink', '--accent', 4.5],
      ['--ink', '--bad-ground', 7],
      ...[1, 2, 3, 4, 5, 6, 7, 8].map((i) => [`--series-${i}`, '--surface', 3] as const),
    ] as const
    const colors = (await page.evaluate(`(() => { const style = getComputedStyle(document.documentElement)
      return ${JSON.stringify(pairs)}.map(([a, b]) => [style.getPropertyValue(a).trim(), style.getPropertyValue(b).trim()]) })()`)) as [
      string,
      string,
    ][]
    colors.forEach(([a, b], i) => {
      const [name, , least] = pairs[i] as (typeof pairs)[number]
      expect([name, contrast(a, b) >= least]).toEqual([name, true])
    })
  })

  describe('beside the real front door', () => {
    const deps = { ...fakeDeps(), clock: new SystemClock() }

    beforeEach(async () => {
      deps.queries.series_ = [labels({ __name__: 'up', job: 'node' })]
      deps.graphiqlHtml = readFileSync(join(folder, 'graphiql.html'))
      server.door = await createGraphqlFrontDoor(deps)
    })
    afterEach(() => server.door?.close())

    it('asks only what the contract has', async () => {
      deps.queries.rangeResult = {
        type: 'range',
        timestamps: Float64Array.of(Date.now() - 5000, Date.now()),
        series: [{ labels: labels({ mode: 'user' }), values: Float64Array.of(5, 7), present: null }],
      }
      const documents: string[] = []
      page.on('request', (request) => {
        if (request.method() === 'POST') documents.push(request.postDataJSON().query)
      })
      await page.goto(`${server.url}/?q=up`)
      await card('CPU').getByText('user').waitFor()
      await card('Explore').locator('canvas').waitFor()
      await page.getByRole('combobox').fill('u')
      await page.getByRole('combobox').pressSequentially('p')
      await becomes(() => documents.some((text) => text.includes('Complete')))
      const schema = buildSchema(readFileSync(schemaUrl, 'utf8'))
      for (const text of documents) expect(validate(schema, parse(text))).toEqual([])
      expect(await page.getByRole('alert').count()).toBe(0)
      expect(complaints).toEqual([])
    })

    it('opens GraphiQL at /graphql, which runs a query and a subscription', async () => {
      await page.goto(`${server.url}/graphql`)
      await page.locator('.graphiql-query-editor .CodeMirror').waitFor()
      await page.getByRole('button', { name: /execute query/i }).click()
      await page.locator('.result-window').getByText('"0.1.0"').waitFor()
      await page.locator('.graphiql-query-editor textarea').first().focus()
      await page.keyboard.press('ControlOrMeta+A')
      await page.keyboard.insertText('subscription { serverStatus(intervalMs: 250) { version now } }')
      // GraphiQL reads a document a moment after it was written, and until then runs the operation that stood there before.
      await becomes(async () => {
        await page.keyboard.press('ControlOrMeta+Enter')
        return page.locator('.result-window').getByText('serverStatus').isVisible()
      })
      await page.locator('.result-window').getByText('"now"').waitFor()
    })
  })
})

/** Waits for what is no part of the page. */
async function becomes(holds: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 8_000
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`did not come true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** How many pixels of a chart have a colour of their own. */
async function drawn(page: Page, name: string): Promise<number> {
  return (await page.evaluate(`(() => { const canvas = document.querySelector('section[aria-labelledby="card-${name.toLowerCase()}"] canvas')
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let count = 0
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 40) count++
    return count })()`)) as number
}

function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number]
  return (light + 0.05) / (dark + 0.05)
}

function luminance(color: string): number {
  const hex = color.length === 4 ? color.replace(/[^#]/g, '$&$&') : color
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
  }) as [number, number, number]
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
