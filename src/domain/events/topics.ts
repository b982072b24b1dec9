/** Where samples, series declarations and metadata go: one binary record each (samples-record.ts). */
export const SAMPLES_TOPIC = 'tidemark.samples'

/**
 * S of the partition rule: into how many partitions one metric is spread. It is fixed for a generation of the topic, as the number
 * of partitions (P) is.
 */
export const SAMPLES_SPREAD = 4
