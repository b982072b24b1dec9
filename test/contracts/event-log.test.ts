import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { EmbeddedLogWriter } from '../../src/engines/embedded/log/log-writer.ts'
import { eventLogContract } from './event-log.ts'

const clock = { nowMs: () => 1_800_000_000_000 }

eventLogContract('embedded segment files', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-log-'))
  return {
    open: () => EmbeddedLogWriter.open({ folder, topic: 'test', partitionCount: 4, clock, segmentBytes: 64 * 1024 }),
    trimsAfterRecords: 400,
    dispose: () => rm(folder, { recursive: true }),
  }
})
