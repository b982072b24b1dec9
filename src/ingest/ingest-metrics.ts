import { EngineError } from '../domain/errors.ts'
import { counter, gauge } from '../telemetry/metrics.ts'
import { BadRequestError } from './errors.ts'
import type { WriteTally } from './write-tally.ts'

export type Protocol = 'remote_write' | 'json' | 'batch'

const samples = counter('tidemark_ingest_samples_total', 'Samples received, by what became of them.', ['result'])
const rejected = counter('tidemark_ingest_rejected_samples_total', 'Samples refused, by the reason.', ['reason'])
const requests = counter('tidemark_ingest_requests_total', 'Requests whose accepted samples the log holds, by the way they came.', [
  'protocol',
])
const failures = counter('tidemark_ingest_failed_requests_total', 'Requests of which nothing was acknowledged, by the reason.', [
  'protocol',
  'reason',
])
const bodyBytes = counter('tidemark_ingest_body_bytes_total', 'Bytes of request bodies as they were decoded, by the way they came.', [
  'protocol',
])
const lookups = counter('tidemark_ingest_alias_lookups_total', 'How series of remote write were found by their raw label bytes.', [
  'result',
])

export const kernelInfo = gauge('tidemark_ingest_kernel_info', 'Which twin of the remote-write kernel runs; always 1.', ['kernel'])
export const inFlightBytes = gauge('tidemark_ingest_append_bytes_in_flight', 'Bytes handed to the log and not yet acknowledged.')

/** Counts of one walk over a request: series guessed right, found by hash, and left to the general decoder. */
export interface WalkStats {
  readonly predicted: number
  readonly hits: number
  readonly misses: number
}

export function recordWalk({ predicted, hits, misses }: WalkStats): void {
  if (predicted > 0) lookups.inc({ result: 'predicted' }, predicted)
  if (hits > 0) lookups.inc({ result: 'hit' }, hits)
  if (misses > 0) lookups.inc({ result: 'miss' }, misses)
}

/** `error` is what the request was answered with. */
export function recordFailure(protocol: Protocol, error: unknown): void {
  const reason = error instanceof BadRequestError ? error.reason : error instanceof EngineError ? error.code : 'internal'
  failures.inc({ protocol, reason })
}

export function recordRequest(protocol: Protocol, tally: WriteTally, bytes: number): void {
  requests.inc({ protocol })
  if (bytes > 0) bodyBytes.inc({ protocol }, bytes)
  if (tally.accepted > 0) samples.inc({ result: 'accepted' }, tally.accepted)
  if (tally.rejectedSamples > 0) samples.inc({ result: 'rejected' }, tally.rejectedSamples)
  for (const [reason, count] of tally.byReason) rejected.inc({ reason }, count)
}
