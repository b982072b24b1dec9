import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from './time.ts'

/** Every bound of the system, its unit in its name. Configuration may change those that `config.ts` names. */
export const limits = {
  /** Push. */
  bodyBytesMax: 32 * 2 ** 20,
  decompressedBytesMax: 64 * 2 ** 20,
  labelsPerSeriesMax: 64,
  labelNameBytesMax: 1024,
  labelValueBytesMax: 4096,
  seriesPerSenderMax: 5_000_000,
  seriesPerRequestMax: 1_000_000,
  futureMsMax: 10 * MINUTE_MS,
  bodyIdleMsMax: 30 * SECOND_MS,
  appendBytesInFlightMax: 256 * 2 ** 20,

  /** Storage. */
  rawRetentionMs: 7 * DAY_MS,
  rawBucketMs: 2 * HOUR_MS,
  redeclareMs: HOUR_MS,
  freshFlushSamplesMax: 20_000_000,
  freshFlushMs: 5 * MINUTE_MS,
  sealGraceMs: 10 * MINUTE_MS,
  logRetentionMs: DAY_MS,
  logBytesMax: 8 * 2 ** 30,
  /** Series that the index of one process holds; every process that answers holds all there are. */
  indexSeriesMax: 4_000_000,
  /** Memory of the newest samples, all generations of the head together. */
  headBytesMax: 2 * 2 ** 30,

  /** Query. */
  queryTimeoutMs: 2 * MINUTE_MS,
  querySamplesMax: 50_000_000,
  querySeriesMax: 1_000_000,
  queryPointsPerSeriesMax: 11_000,
  queryLengthMax: 64 * 1024,
  lookbackMs: 5 * MINUTE_MS,
  minPositionWaitMsMax: 20 * SECOND_MS,
} as const
