import { afterEach, beforeEach, describe, expect, it } from '@jest/globals'
import type { Kafka } from 'kafkajs'
import type { LogBatch } from '../../../src/domain/ports/event-log.ts'
import { KafkaReader } from '../../../src/engines/kafka/reader.ts'
import { silentLogger } from '../../../src/telemetry/log.ts'
import { kafkaSettings } from '../../support/kafka-settings.ts'

const refused = (type: string) => Object.assign(new Error(type), { type })

interface FetchOptions {
  readonly topics: readonly { readonly partitions: readonly { readonly partition: number; readonly fetchOffset: string }[] }[]
}

/** Two brokers in memory, and which of them leads which partition. */
class FakeBrokers {
  readonly logs = new Map<number, { start: number; values: Buffer[] }>()
  readonly leaders = new Map<number, number>()
  readonly down = new Set<number>()
  readonly clusters: { open: boolean }[] = []
  refreshes = 0
  fetches = 0
  missing = false

  constructor(partitions: number) {
    for (let partition = 0; partition < partitions; partition++) {
      this.logs.set(partition, { start: 0, values: [] })
      this.leaders.set(partition, 1 + (partition % 2))
    }
  }

  append(partition: number, ...values: Buffer[]): void {
    this.log(partition).values.push(...values)
  }

  log(partition: number): { start: number; values: Buffer[] } {
    return this.logs.get(partition)!
  }

  /** What stands for the client: clusters are all that a reader makes of it. */
  asClient(): Kafka {
    return { [Symbol('private:Kafka:createCluster')]: () => this.#cluster() } as unknown as Kafka
  }

  #cluster() {
    const state = { open: true }
    this.clusters.push(state)
    return {
      connect: async () => {},
      addTargetTopic: async () => {},
      disconnect: async () => {
        state.open = false
      },
      refreshMetadata: async () => {
        this.refreshes++
        if (this.missing) throw refused('UNKNOWN_TOPIC_OR_PARTITION')
      },
      findLeaderForPartitions: (_: string, partitions: readonly number[]) => {
        const found: Record<string, number[]> = {}
        for (const partition of partitions) (found[`${this.leaders.get(partition)}`] ??= []).push(partition)
        return found
      },
      findBroker: async ({ nodeId }: { nodeId: string }) => {
        if (this.down.has(Number(nodeId))) throw new Error('connection refused')
        return { fetch: (options: FetchOptions) => this.#fetch(Number(nodeId), options) }
      },
      fetchTopicsOffset: async ([{ partitions, fromTimestamp }]: { partitions: { partition: number }[]; fromTimestamp: number }[]) => [
        {
          partitions: partitions.map(({ partition }) => {
            const { start, values } = this.log(partition)
            return { partition, offset: `${fromTimestamp === -2 ? start : start + values.length}` }
          }),
        },
      ],
    }
  }

  async #fetch(node: number, { topics }: FetchOptions) {
    this.fetches++
    await new Promise((resolve) => setTimeout(resolve, 2))
    if (this.down.has(node)) throw new Error('connection lost')
    const partitions = topics[0].partitions.map(({ partition, fetchOffset }) => {
      if (this.leaders.get(partition) !== node) throw refused('NOT_LEADER_FOR_PARTITION')
      const { start, values } = this.log(partition)
      const from = Number(fetchOffset)
      if (from < start || from > start + values.length) throw refused('OFFSET_OUT_OF_RANGE')
      const messages = values
        .slice(from - start, from - start + 3)
        .map((value, i) => ({ offset: `${from + i}`, timestamp: '1700000000000', value, headers: { ce_id: Buffer.from('x') } }))
      return { partition, highWatermark: `${start + values.length}`, messages }
    })
    return { responses: [{ topicName: 'test.log', partitions }] }
  }
}

const until = async (met: () => boolean) => {
  for (let i = 0; !met(); i++) {
    if (i > 2500) throw new Error('it does not come to that')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('the Kafka reader', () => {
  let brokers: FakeBrokers
  let ending: AbortController
  let seen: string[]
  let gaps: LogBatch['gaps'][number][]
  let ends: Map<number, number>
  let failure: unknown

  beforeEach(() => {
    brokers = new FakeBrokers(4)
    ending = new AbortController()
    seen = []
    gaps = []
    ends = new Map()
    failure = null
  })

  afterEach(() => ending.abort())

  const parts = () => ({
    kafka: brokers.asClient(),
    settings: kafkaSettings(['broker:9092']),
    topic: 'test.log',
    logger: silentLogger,
    topicMissingMsMax: 500,
  })
  const read = async (from: ReadonlyMap<number, number>) => {
    try {
      for await (const batch of new KafkaReader(parts(), from, ending.signal).batches()) {
        for (const { partition, offset, payload } of batch.records) seen.push(`${partition}@${offset}=${Buffer.from(payload)}`)
        gaps.push(...batch.gaps)
        for (const [partition, end] of batch.ends ?? []) ends.set(partition, end)
      }
    } catch (error) {
      failure = error
    }
  }
  const all = () => new Map([...brokers.logs.keys()].map((partition) => [partition, 0]))
  const of = (partition: number) => seen.filter((text) => text.startsWith(`${partition}@`))

  it('reads from every leader, tells the ends, and closes its connections', async () => {
    for (let i = 0; i < 7; i++) for (const partition of all().keys()) brokers.append(partition, Buffer.from(`${i}`))
    const reading = read(all())
    await until(() => seen.length === 28)
    expect(of(3)).toEqual(['3@0=0', '3@1=1', '3@2=2', '3@3=3', '3@4=4', '3@5=5', '3@6=6'])
    expect([...ends.values()]).toEqual([7, 7, 7, 7])
    ending.abort()
    await reading
    await until(() => brokers.clusters.every(({ open }) => !open))
    const { fetches } = brokers
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(brokers.fetches).toBe(fetches)
  })

  it('follows a leader that moves', async () => {
    const reading = read(all())
    await until(() => ends.size === 4)
    brokers.leaders.set(0, 2)
    for (const partition of all().keys()) brokers.append(partition, Buffer.from('moved'))
    await until(() => seen.length === 4)
    brokers.leaders.set(0, 1)
    brokers.append(0, Buffer.from('back'))
    await until(() => seen.length === 5)
    expect(of(0)).toEqual(['0@0=moved', '0@1=back'])
    ending.abort()
    await reading
  })

  it('goes on with other brokers while one is away, and asks for it less and less often', async () => {
    const reading = read(all())
    await until(() => ends.size === 4)
    brokers.down.add(1)
    await until(() => brokers.refreshes >= 3)
    for (const partition of all().keys()) brokers.append(partition, Buffer.from('x'))
    await until(() => seen.length === 2)
    expect(seen.sort()).toEqual(['1@0=x', '3@0=x'])
    const { refreshes } = brokers
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(brokers.refreshes - refreshes).toBeLessThanOrEqual(3)
    brokers.down.clear()
    await until(() => seen.length === 4)
    ending.abort()
    await reading
    expect(failure).toBeNull()
  })

  it('reports a gap of one partition once, and reads on in all', async () => {
    for (const partition of all().keys()) brokers.append(partition, Buffer.from('a'))
    brokers.log(2).start = 10
    const reading = read(all())
    await until(() => seen.length === 4)
    expect(seen.sort()).toEqual(['0@0=a', '1@0=a', '2@10=a', '3@0=a'])
    expect(gaps).toEqual([{ partition: 2, from: 0, to: 10 }])
    ending.abort()
    await reading
  })

  it('waits for a leader that knows less, and refuses a position that stays beyond the end', async () => {
    const reading = read(new Map([[0, 1]]))
    await until(() => brokers.fetches > 1)
    brokers.append(0, Buffer.from('late'))
    await until(() => ends.get(0) === 1)
    ending.abort()
    await reading
    expect(failure).toBeNull()
    ending = new AbortController()
    await read(
      new Map([
        [0, 5],
        [1, 0],
      ]),
    )
    expect(failure).toMatchObject({ code: 'LOG_OFFSET', retryable: false })
  })

  it('tells of a topic that is gone for good', async () => {
    const reading = read(all())
    await until(() => ends.size === 4)
    brokers.missing = true
    brokers.down.add(1)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(failure).toBeNull()
    await reading
    expect(failure).toMatchObject({ code: 'KAFKA_TOPIC_MISSING', retryable: false })
  })

  it('reads ahead of a slow consumer no more than its bound, from several brokers, and goes on', async () => {
    const large = Buffer.alloc(2 ** 20)
    for (const partition of all().keys()) brokers.append(partition, ...Array.from({ length: 30 }, () => large))
    const counts = new Map<number, number>()
    let most = 0
    for await (const { records } of new KafkaReader(parts(), all(), ending.signal).batches()) {
      if (counts.size === 0) {
        // Whoever is slow at first finds the brokers left alone.
        await new Promise((resolve) => setTimeout(resolve, 100))
        most = brokers.fetches
      }
      for (const { partition } of records) counts.set(partition, (counts.get(partition) ?? 0) + 1)
      if ([...counts.values()].reduce((sum, count) => sum + count, 0) === 120) break
    }
    // Each fetch brings 6 MiB of two partitions.
    expect(most).toBeLessThanOrEqual(9)
    expect([...counts.values()]).toEqual([30, 30, 30, 30])
  })
})
