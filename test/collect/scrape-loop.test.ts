import { describe, expect, it } from '@jest/globals'
import { parseScrapeConfigs } from '../../src/collect/scrape/config.ts'
import type { Page } from '../../src/collect/scrape/fetch-page.ts'
import { compileRelabel } from '../../src/collect/scrape/relabel.ts'
import { ScrapeLoop } from '../../src/collect/scrape/scrape-loop.ts'
import { targetsOf } from '../../src/collect/scrape/targets.ts'
import { EngineError } from '../../src/domain/errors.ts'
import type { AppendSamples, SampleBatch, WriteResult } from '../../src/domain/ports/append-samples.ts'
import { isStaleAt } from '../../src/domain/sample.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

/** What was appended, a line a sample: "series value@time", times relative to the clock's start. */
class Appended implements AppendSamples {
  readonly batches: string[][] = []
  failures = 0
  readonly #startMs: number

  constructor(startMs: number) {
    this.#startMs = startMs
  }

  async appendSamples(batch: SampleBatch): Promise<WriteResult> {
    if (this.failures-- > 0) throw new EngineError('LOG_BUSY', 'busy', { retryable: true })
    const bits = new Uint32Array(batch.values.buffer)
    this.batches.push(
      batch.labels.map((labels, i) => `${labels} ${isStaleAt(bits, i) ? 'stale' : batch.values[i]}@${batch.times[i] - this.#startMs}`),
    )
    return { acceptedSamples: batch.labels.length, rejectedSamples: 0, rejected: [], position: '' }
  }

  /** The samples of the last scrape but those about the scrape. */
  last(): string[] {
    return (this.batches.at(-1) ?? []).filter((line) => !/^scrape_|^up/.test(line)).map((line) => line.replace(/@.*/, ''))
  }

  lastUp(): string | undefined {
    return this.batches
      .at(-1)
      ?.find((line) => line.startsWith('up'))
      ?.replace(/@.*/, '')
  }
}

function setUp(config: Record<string, unknown>, pages: (number: number) => string | Error | Promise<never>) {
  const clock = new VirtualClock()
  const parsed = parseScrapeConfigs([{ job_name: 'j', scrape_interval: '10s', static_configs: [{ targets: ['h:1'] }], ...config }], {
    scrapeIntervalMs: 10_000,
    scrapeTimeoutMs: 5_000,
  })
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues))
  const [job] = parsed.jobs
  const { targets } = targetsOf(job, job.static_configs, compileRelabel(job.relabel_configs))
  const appended = new Appended(clock.nowMs())
  let number = 0
  const loop = new ScrapeLoop({
    target: targets[0],
    job,
    steps: compileRelabel(job.metric_relabel_configs),
    append: appended,
    clock,
    logger: silentLogger,
    fetch: async (_url, _timeoutMs, signal): Promise<Page> => {
      const page = pages(number++)
      if (page instanceof Error) throw page
      if (typeof page !== 'string')
        return await Promise.race([page, new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))])
      return { text: page, contentType: 'text/plain', bytes: page.length }
    },
  })
  return { clock, loop, appended }
}

describe('a scrape loop', () => {
  it('scrapes once an interval, on a grid of its own, and tells how it went', async () => {
    const { clock, loop, appended } = setUp({}, () => 'm{x="1"} 5\n')
    loop.start()
    await clock.advance(30_000)
    expect(appended.batches.length).toBe(3)
    expect(appended.last()).toEqual(['m{instance="h:1", job="j", x="1"} 5'])
    expect(appended.lastUp()).toBe('up{instance="h:1", job="j"} 1')
    const times = appended.batches.map(([line]) => Number(line.replace(/.*@/, '')))
    expect(times[1] - times[0]).toBe(10_000)
    expect(loop.status()).toMatchObject({ health: 'up', lastError: '', scrapePool: 'j', scrapeUrl: 'http://h:1/metrics' })
    await loop.stop(false)
    expect(appended.batches.length).toBe(3)
  })

  it('ends a series that is gone, and all of them when the target vanishes', async () => {
    const { clock, loop, appended } = setUp({}, (number) => (number === 0 ? 'a 1\nb 2\n' : 'b 3\n'))
    loop.start()
    await clock.advance(20_000)
    expect(appended.last()).toEqual(['b{instance="h:1", job="j"} 3', 'a{instance="h:1", job="j"} stale'])
    await loop.stop(true)
    expect(appended.last()).toEqual(['b{instance="h:1", job="j"} stale'])
    expect(appended.lastUp()).toBe('up{instance="h:1", job="j"} stale')
  })

  it('is down, with the reason, and its series end, when the target fails', async () => {
    const { clock, loop, appended } = setUp({}, (number) => (number === 0 ? 'a 1\n' : new Error('connect ECONNREFUSED')))
    loop.start()
    await clock.advance(20_000)
    expect(appended.last()).toEqual(['a{instance="h:1", job="j"} stale'])
    expect(appended.lastUp()).toBe('up{instance="h:1", job="j"} 0')
    expect(loop.status()).toMatchObject({ health: 'down', lastError: 'connect ECONNREFUSED' })
    await loop.stop(false)
  })

  it('gives up at the timeout', async () => {
    const { clock, loop, appended } = setUp({}, () => new Promise<never>(() => {}))
    loop.start()
    await clock.advance(20_000)
    expect(loop.status().lastError).toBe('the scrape took longer than its timeout of 5 s')
    expect(appended.lastUp()).toBe('up{instance="h:1", job="j"} 0')
    await loop.stop(false)
  })

  it.each([
    [{ sample_limit: 1 }, 'sample_limit of 1 exceeded'],
    [{ label_limit: 2 }, /label_limit exceeded/],
    [{ label_value_length_limit: 2 }, /label_value_length_limit of 2 exceeded by the value of/],
  ])('refuses the whole page beyond a limit: %j', async (config, message) => {
    const { clock, loop, appended } = setUp(config, () => 'a 1\nb 2\n')
    loop.start()
    await clock.advance(10_000)
    expect(appended.last()).toEqual([])
    expect(loop.status().lastError).toMatch(message)
    await loop.stop(false)
  })

  it('honours timestamps, and does not end series that bring their own', async () => {
    const { clock, loop, appended } = setUp({}, (number) => (number === 0 ? 'a 1 1700000000500\n' : '\n'))
    loop.start()
    await clock.advance(10_000)
    expect(appended.batches[0][0]).toBe('a{instance="h:1", job="j"} 1@500')
    await clock.advance(10_000)
    expect(appended.last()).toEqual([])
    await loop.stop(false)
  })

  it('relabels metrics, dropping what is told to', async () => {
    const { clock, loop, appended } = setUp(
      { metric_relabel_configs: [{ action: 'drop', source_labels: ['__name__'], regex: 'b' }] },
      () => 'a 1\nb 2\n',
    )
    loop.start()
    await clock.advance(10_000)
    expect(appended.last()).toEqual(['a{instance="h:1", job="j"} 1'])
    expect(appended.batches[0]).toContainEqual(expect.stringMatching(/^scrape_samples_scraped.* 2@/))
    expect(appended.batches[0]).toContainEqual(expect.stringMatching(/^scrape_samples_post_metric_relabeling.* 1@/))
    await loop.stop(false)
  })

  it('tries again while the log is away', async () => {
    const { clock, loop, appended } = setUp({}, () => 'a 1\n')
    appended.failures = 3
    loop.start()
    await clock.advance(11_700)
    expect(appended.last()).toEqual(['a{instance="h:1", job="j"} 1'])
    await loop.stop(false)
  })
})

describe('targets', () => {
  it('are relabelled, made into URLs, and one when they are the same', () => {
    const parsed = parseScrapeConfigs(
      [
        {
          job_name: 'j',
          params: { module: ['m'] },
          static_configs: [{ targets: ['a:1', 'a:1', 'b:2'], labels: { zone: 'z' } }],
          relabel_configs: [{ action: 'drop', source_labels: ['__address__'], regex: 'b.*' }],
        },
      ],
      { scrapeIntervalMs: 15_000, scrapeTimeoutMs: 10_000 },
    )
    if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues))
    const [job] = parsed.jobs
    const { targets, dropped } = targetsOf(job, job.static_configs, compileRelabel(job.relabel_configs))
    expect(targets.map(({ url, labels }) => `${url} ${labels}`)).toEqual([
      'http://a:1/metrics?module=m {instance="a:1", job="j", zone="z"}',
    ])
    expect(dropped.map((labels) => labels.get('__address__'))).toEqual(['b:2'])
  })
})
