import { EmbeddedLogWriter } from '../../../../src/engines/embedded/log/log-writer.ts'

/** A process that appends until it is killed, and says what was acknowledged. */
const log = await EmbeddedLogWriter.open({
  folder: process.argv[2] as string,
  topic: 'test',
  partitionCount: 4,
  clock: { nowMs: () => Date.now() },
  segmentBytes: 128 * 1024,
})
const life = process.argv[3] as string

async function producer(partition: number): Promise<void> {
  for (let i = 0; ; i++) {
    const text = `${life}-${partition}-${i}`
    const payload = Buffer.alloc(20 + ((i * 997) % 9000), text)
    payload.write('=', text.length)
    const reached = await log.append([{ partition, headers: { ce_id: text }, payload }])
    process.stdout.write(`${partition}@${(reached.get(partition) as number) - 1}=${text}\n`)
  }
}

await Promise.all([0, 1, 2, 3].map(producer))
