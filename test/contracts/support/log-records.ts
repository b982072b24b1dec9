import type { EventLog, LogBatch, LogRecord, RecordToAppend } from '../../../src/domain/ports/event-log.ts'
import type { PartitionOffsets } from '../../../src/domain/position.ts'

const encoder = new TextEncoder()

/** A record whose payload is this text. */
export function record(partition: number, text: string): RecordToAppend {
  return { partition, headers: { ce_id: text, ce_type: 'test' }, payload: encoder.encode(text) }
}

/** `partition@offset=text`. */
export function describe(held: LogRecord): string {
  return `${held.partition}@${held.offset}=${Buffer.from(held.payload).toString()}`
}

/** Reads until each partition of `from` has reached `upTo` (the log's ends, when left out). */
export async function readUpTo(
  log: Pick<EventLog, 'read' | 'ends'>,
  from: PartitionOffsets,
  upTo?: PartitionOffsets,
): Promise<{ records: string[]; gaps: LogBatch['gaps'][number][] }> {
  const target = upTo ?? (await log.ends())
  const at = new Map(from)
  const records: string[] = []
  const gaps: LogBatch['gaps'][number][] = []
  const reached = () => [...at].every(([partition, offset]) => offset >= (target.get(partition) ?? 0))
  if (reached()) return { records, gaps }
  const ending = new AbortController()
  for await (const batch of log.read(from, ending.signal)) {
    for (const gap of batch.gaps) {
      gaps.push(gap)
      at.set(gap.partition, gap.to)
    }
    for (const held of batch.records) {
      if (held.offset !== at.get(held.partition))
        throw new Error(`partition ${held.partition}: offset ${held.offset}, expected ${at.get(held.partition)}`)
      records.push(describe(held))
      at.set(held.partition, held.offset + 1)
    }
    if (reached()) break
  }
  return { records, gaps }
}

export async function readAll(log: Pick<EventLog, 'read' | 'ends' | 'starts'>): Promise<string[]> {
  return (await readUpTo(log, await log.starts())).records
}
