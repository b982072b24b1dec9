/**
 * A frozen segment file: what any version of Tidemark wrote, every later one must read as the same. A new version adds files; those that are
 * there are never changed.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { EmbeddedLogWriter } from '../../../../src/engines/embedded/log/log-writer.ts'

const corpus = join(import.meta.dirname, '../../../golden/log')

interface Expected {
  readonly topic: string
  readonly generation: number
  readonly partitionCount: number
  readonly starts: readonly number[]
  readonly ends: readonly number[]
  /** The payload's bytes are those of the text in Latin-1, so many times. */
  readonly records: readonly { readonly payload: { readonly text: string; readonly times: number } }[]
}

describe('a frozen segment file', () => {
  for (const name of readdirSync(corpus).filter((file) => file.endsWith('.hex'))) {
    it(`${name} reads as it was written, and is gone on with`, async () => {
      const expected = JSON.parse(readFileSync(join(corpus, name.replace('.hex', '.json')), 'utf8')) as Expected
      const folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'))
      const bytes = Buffer.from(readFileSync(join(corpus, name), 'utf8').replaceAll('\n', ''), 'hex')
      await writeFile(join(folder, '0000000001.log'), bytes)
      const { topic, generation, partitionCount } = expected
      const log = await EmbeddedLogWriter.open({ folder, topic, generation, partitionCount, clock: { nowMs: () => 0 } })
      expect(log.findings).toEqual([])
      expect([...(await log.starts()).values()]).toEqual(expected.starts)
      expect([...(await log.ends()).values()]).toEqual(expected.ends)
      const records: object[] = []
      for await (const batch of log.read(await log.starts(), new AbortController().signal)) {
        for (const { partition, offset, appendedMs, headers, payload } of batch.records) {
          records.push({ partition, offset, appendedMs, headers, payload: Buffer.from(payload).toString('latin1') })
        }
        if (records.length === expected.records.length) break
      }
      expect(records).toEqual(expected.records.map((held) => ({ ...held, payload: held.payload.text.repeat(held.payload.times) })))
      expect(await log.append([{ partition: 1, headers: {}, payload: new Uint8Array(1) }])).toEqual(new Map([[1, 1]]))
      await log.close()
      await expect(
        EmbeddedLogWriter.open({ folder, topic, generation: generation + 1, partitionCount, clock: { nowMs: () => 0 } }),
      ).rejects.toMatchObject({ code: 'LOG_GENERATION', retryable: false })
      await rm(folder, { recursive: true })
    })
  }
})
