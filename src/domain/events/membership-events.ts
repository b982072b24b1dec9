import type { RecordHeaders } from '../ports/event-log.ts'

/** A collector says that it is alive, or that it leaves. JSON, of `tidemark.membership`; docs/formats/membership.md. */
export interface MembershipEvent {
  readonly type: 'CollectorSeen' | 'CollectorLeft'
  /** Unique to a process. */
  readonly name: string
  /** Counts the events of this name, from 1. */
  readonly sequence: number
}

const TYPES: Readonly<Record<MembershipEvent['type'], string>> = {
  CollectorSeen: 'tidemark.collector.seen.v1',
  CollectorLeft: 'tidemark.collector.left.v1',
}

const NAME_LENGTH_MAX = 500
const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true })

export function encodeMembershipEvent({ type, name, sequence }: MembershipEvent): { headers: RecordHeaders; payload: Uint8Array } {
  return {
    headers: {
      ce_specversion: '1.0',
      ce_type: TYPES[type],
      ce_source: `urn:tidemark:collector:${encodeURIComponent(name)}`,
      ce_id: `${encodeURIComponent(name)}-${sequence}`,
      'content-type': 'application/json',
    },
    payload: utf8.encode(JSON.stringify({ name, sequence })),
  }
}

/** @returns null for what is no such event, or one of a later version: who does not understand it is not concerned */
export function decodeMembershipEvent(headers: RecordHeaders, payload: Uint8Array): MembershipEvent | null {
  const type = headers.ce_type === TYPES.CollectorSeen ? 'CollectorSeen' : 'CollectorLeft'
  if (headers.ce_type !== TYPES[type]) return null
  try {
    const { name, sequence } = JSON.parse(text.decode(payload)) as Partial<MembershipEvent>
    if (typeof name !== 'string' || name === '' || name.length > NAME_LENGTH_MAX) return null
    if (typeof sequence !== 'number' || !Number.isSafeInteger(sequence)) return null
    return { type, name, sequence }
  } catch {
    return null
  }
}
