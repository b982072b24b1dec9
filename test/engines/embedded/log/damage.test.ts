import { describe, expect, it } from '@jest/globals'
import { LogCorruptionError } from '../../../../src/engines/embedded/log/log-reader.ts'
import { EmbeddedLogWriter } from '../../../../src/engines/embedded/log/log-writer.ts'
import { readAll, readUpTo, record } from '../../../contracts/support/log-records.ts'
import { MemoryFs } from '../../../contracts/support/memory-fs.ts'

const clock = { nowMs: () => 1_800_000_000_000 }
const FIRST = 'log/0000000001.log'

const open = (fs: MemoryFs, segmentBytes = 4096) =>
  EmbeddedLogWriter.open({ folder: 'log', topic: 'test', partitionCount: 2, clock, fs, segmentBytes })

/** A log as a killed process leaves it: frames of one record each, nothing after the last one. */
async function written(texts: readonly string[], segmentBytes?: number): Promise<MemoryFs> {
  const fs = new MemoryFs()
  const log = await open(fs, segmentBytes)
  for (const text of texts) await log.append([record(0, text)])
  await log.read(new Map(), AbortSignal.abort())[Symbol.asyncIterator]().next()
  return fs
}

/** Where frames begin, by their magic. */
function frames(file: Buffer): number[] {
  const starts: number[] = []
  for (let at = file.indexOf('TMLF'); at >= 0; at = file.indexOf('TMLF', at + 1)) starts.push(at)
  return starts
}

describe('a torn tail', () => {
  it('at any byte of the last frame is cut, and everything before it is there', async () => {
    const whole = (await written(['one', 'two', 'three'])).bytes(FIRST)
    const last = frames(whole)[2] as number
    const end = last + whole.readUInt32LE(last + 8)
    for (let cut = last; cut < end; cut++) {
      const fs = await written(['one', 'two', 'three'])
      fs.bytes(FIRST).fill(0, cut, end)
      // The last bytes of the record may be zeros anyway.
      const torn = !fs.bytes(FIRST).equals(whole)
      const log = await open(fs)
      expect(await readAll(log)).toEqual(torn ? ['0@0=one', '0@1=two'] : ['0@0=one', '0@1=two', '0@2=three'])
      await log.append([record(0, 'four')])
      expect((await readAll(log)).at(-1)).toBe(torn ? '0@2=four' : '0@3=four')
      await log.close()
      const again = await open(fs)
      expect((await readAll(again)).at(-1)).toBe(torn ? '0@2=four' : '0@3=four')
      expect(again.findings).toEqual([])
      await again.close()
    }
  })

  it('is told when the frame had begun', async () => {
    const fs = await written(['one', 'two'])
    const last = frames(fs.bytes(FIRST))[1] as number
    fs.bytes(FIRST).fill(0, last + 70)
    const log = await open(fs)
    expect(log.findings).toEqual([{ kind: 'torn-tail', file: FIRST, byte: last }])
    await log.close()
  })
})

describe('a flipped byte', () => {
  it('anywhere in a frame that others follow is named with file and byte, never served, and passed by from resumeAt', async () => {
    const sound = (await written(['one', 'two', 'three', 'four'])).bytes(FIRST)
    const starts = frames(sound)
    for (const [index, start] of starts.slice(0, 3).entries()) {
      for (let byte = start; byte < start + sound.readUInt32LE(start + 8); byte++) {
        const fs = await written(['one', 'two', 'three', 'four'])
        fs.bytes(FIRST)[byte]! ^= 0x10
        const log = await open(fs)
        expect(log.findings).toEqual([{ kind: 'damaged', file: FIRST, byte: start }])
        const before = ['0@0=one', '0@1=two', '0@2=three'].slice(0, index)
        expect((await readUpTo(log, new Map([[0, 0]]), new Map([[0, index]]))).records).toEqual(before)
        const error = await readAll(log).then(
          () => null,
          (thrown: unknown) => thrown,
        )
        expect(error).toBeInstanceOf(LogCorruptionError)
        expect(error).toMatchObject({ file: FIRST, byte: start, message: expect.stringContaining(`${FIRST} is damaged at byte ${start}`) })
        const { resumeAt } = error as LogCorruptionError
        expect(resumeAt.get(0)).toBe(index + 1)
        await log.append([record(0, 'five')])
        const after = ['0@1=two', '0@2=three', '0@3=four', '0@4=five'].slice(index)
        expect((await readUpTo(log, new Map([[0, index + 1]]))).records).toEqual(after)
        await log.close()
      }
    }
  })

  it('is found by a reader of the log that is being written, too', async () => {
    const fs = new MemoryFs()
    const log = await open(fs)
    for (const text of ['one', 'two', 'three']) await log.append([record(0, text), record(1, text)])
    const second = frames(fs.bytes(FIRST))[1] as number
    fs.bytes(FIRST)[second + 90]! ^= 1
    await expect(readAll(log)).rejects.toMatchObject({
      byte: second,
      resumeAt: new Map([
        [0, 2],
        [1, 2],
      ]),
    })
    await log.close()
  })

  it('in the last frame is damage, not a torn tail, when the log was closed', async () => {
    const fs = new MemoryFs()
    const log = await open(fs)
    for (const text of ['one', 'two']) await log.append([record(0, text)])
    await log.close()
    const last = frames(fs.bytes(FIRST))[1] as number
    fs.bytes(FIRST)[last + 75]! ^= 1
    const again = await open(fs)
    expect(again.findings).toEqual([{ kind: 'damaged', file: FIRST, byte: last }])
    await expect(readAll(again)).rejects.toThrow(`damaged at byte ${last}`)
    await again.close()
  })

  it('in the first frame of an older segment, or its absence, is named; segments around it are read', async () => {
    const texts = Array.from({ length: 60 }, (_, i) => `${i}`.padEnd(100, '.'))
    for (const harm of ['flip', 'remove'] as const) {
      const fs = await written(texts, 2048)
      const path = 'log/0000000002.log'
      const first = frames(fs.bytes(FIRST)).length
      const count = frames(fs.bytes(path)).length
      if (harm === 'flip') fs.bytes(path)[20]! ^= 1
      else await fs.remove(path)
      const log = await open(fs, 2048)
      const lost = harm === 'flip' ? 1 : count
      expect((await readUpTo(log, new Map([[0, 0]]), new Map([[0, first]]))).records).toHaveLength(first)
      await expect(readAll(log)).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining('000002') })
      expect((await readUpTo(log, new Map([[0, first + lost]]))).records).toHaveLength(60 - first - lost)
      await log.close()
    }
  })
})

describe('a segment that is used again', () => {
  it('never gives records of its earlier use', async () => {
    const fs = new MemoryFs()
    let log = await open(fs, 2048)
    let next = 0
    for (let round = 0; round < 40; round++) {
      for (let i = 0; i < 9; i++) await log.append([record(0, `${next++}`.padEnd(40 + ((round * 13 + i * 7) % 90), '.'))])
      await log.trim(
        new Map([
          [0, next - 4],
          [1, 0],
        ]),
      )
      if (round % 5 === 4) {
        // As a killed process leaves it, or a closed one.
        if (round % 2 === 0) await log.close()
        log = await open(fs, 2048)
        expect(log.findings).toEqual([])
      }
      const records = await readAll(log)
      const start = (await log.starts()).get(0) as number
      expect(records.map((text) => Number.parseInt(text.split('=')[1] as string, 10))).toEqual(
        Array.from({ length: next - start }, (_, i) => start + i),
      )
      expect(start).toBeGreaterThan(next - 60)
    }
    expect(log.stats().spares).toBeLessThanOrEqual(2)
    expect(log.stats().segments).toBeLessThan(6)
    await log.close()
  })

  it('under a slow reader becomes a gap for it, not damage', async () => {
    const fs = new MemoryFs()
    const log = await open(fs, 2048)
    const append = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await log.append([record(0, `${i}`.padEnd(100, '.'))])
    }
    await append(0, 20)
    const reading = log.read(new Map([[0, 0]]), new AbortController().signal)[Symbol.asyncIterator]()
    expect((await reading.next()).value.records[0].offset).toBe(0)
    await append(20, 80)
    await log.trim(
      new Map([
        [0, 60],
        [1, 0],
      ]),
    )
    await append(80, 120)
    let expected = 1
    const gaps: number[] = []
    while (expected < 120) {
      const { records, gaps: found } = (await reading.next()).value
      for (const gap of found) {
        expect(gap.from).toBe(expected)
        gaps.push(gap.to)
        expected = gap.to
      }
      for (const { offset, payload } of records) {
        expect([offset, Number.parseInt(Buffer.from(payload).toString(), 10)]).toEqual([expected, expected])
        expected++
      }
    }
    expect(gaps).toEqual([(await log.starts()).get(0)])
    await log.close()
  })
})
