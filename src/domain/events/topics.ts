/** Where samples, series declarations and metadata go: one binary record each (samples-record.ts). */
export const SAMPLES_TOPIC = 'tidemark.samples'

/**
 * S of the partition rule: into how many partitions one metric is spread. It is fixed for a generation of the topic, as the number
 * of partitions (P) is.
 */
export const SAMPLES_SPREAD = 4

/** What the system does to itself and is kept: its forming, gaps found, switches of projections, replays, an audit of mutations. */
export const OPERATIONS_TOPIC = 'tidemark.operations'

/** Signs of life of collectors: worth nothing after a minute, so kept for an hour, apart from what is kept for long. */
export const MEMBERSHIP_TOPIC = 'tidemark.membership'
