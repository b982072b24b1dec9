import type { RecordHeaders } from '../ports/event-log.ts'

export const SAMPLES_EVENT_TYPE = 'tidemark.samples.recorded.v1'
export const SAMPLES_CONTENT_TYPE = 'application/vnd.tidemark.samples.v1'

/**
 * The CloudEvents binary-mode headers of a record of `tidemark.samples`: any Kafka consumer can route it without knowing the payload.
 * `sequence` makes the id unique within the session. The event's time is the log's append time, so `ce_time` is left out.
 */
export function samplesHeaders(session: string, sequence: number): RecordHeaders {
  return {
    ce_specversion: '1.0',
    ce_type: SAMPLES_EVENT_TYPE,
    ce_source: `urn:tidemark:session:${session}`,
    ce_id: `${session}-${sequence}`,
    'content-type': SAMPLES_CONTENT_TYPE,
  }
}
