import { CorruptionError } from '../../domain/errors.ts'
import type { BlockStore, PartitionRef } from '../../domain/ports/block-store.ts'
import type { Offset } from '../../domain/position.ts'
import type { TimestampMs } from '../../domain/time.ts'

/**
 * Which blocks stand for which bucket: one small row for each (bucket, log partition), replaced whole by compare-and-set. What it does
 * not name does not exist, whatever rows are stored; so a crash between blocks and catalogue leaves nothing half done.
 */
export interface BucketEntry {
  readonly bucket: TimestampMs
  readonly partition: number
  /** Everything of this bucket below this offset stands in the runs. */
  readonly through: Offset
  /** The sealed run of each metric. */
  readonly sealed: Readonly<Record<string, RunPages>>
  /** Fresh runs, oldest first: what came in [first, last] of the log, by metric. */
  readonly fresh: readonly FreshRun[]
  /** When samples last came for this bucket, by the projector's clock. */
  readonly lastArrivalMs: TimestampMs
}

export interface FreshRun {
  /** `f/<first>-<last>-<epoch of the writer>`: different content never has the same name. */
  readonly run: string
  readonly first: Offset
  readonly last: Offset
  readonly metrics: Readonly<Record<string, RunPages>>
}

/** Pages of one (metric, bucket, partition). */
export interface RunPages {
  readonly run: string
  readonly pages: number
  readonly samples: number
  readonly bytes: number
  readonly minTimeMs: TimestampMs
  readonly maxTimeMs: TimestampMs
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A run of one metric in one (bucket, log partition). */
export interface RunPlace {
  readonly version: number
  readonly metric: string
  readonly bucket: TimestampMs
  readonly partition: number
  /** `f/...`: fresh, `s/...`: sealed. */
  readonly run: string
}

/** So many pages of some 64 KB stand in one partition of the store, which stays below 64 MB however many series a metric has. */
const PAGES_A_PARTITION = 512

/** Where a page of a run is. */
export function pageRef(place: RunPlace, page: number): PartitionRef & { readonly clusteringKey: string } {
  return { ...slabRef(place, Math.floor(page / PAGES_A_PARTITION)), clusteringKey: page.toString().padStart(6, '0') }
}

/** Every partition of the store that holds pages of a run. */
export function runRefs(place: RunPlace, pages: number): PartitionRef[] {
  return Array.from({ length: Math.ceil(pages / PAGES_A_PARTITION) }, (_, slab) => slabRef(place, slab))
}

function slabRef({ version, metric, bucket, partition, run }: RunPlace, slab: number): PartitionRef {
  const table = run.startsWith('f/') ? 'fresh' : 'raw'
  return { table, partitionKey: `${version}/${bucket}/${partition}/${run}/${slab}/${metric}`, dayOf: bucket }
}

export function catalogueRef(version: number, partition: number, day: TimestampMs): PartitionRef {
  return { table: 'catalogue', partitionKey: `${version}/${partition}`, dayOf: day }
}

export function catalogueKey(bucket: TimestampMs): string {
  return `${bucket}`
}

export function encodeEntry(entry: BucketEntry): Uint8Array {
  return encoder.encode(JSON.stringify(entry))
}

export function decodeEntry(bytes: Uint8Array, where: string): BucketEntry {
  try {
    return JSON.parse(decoder.decode(bytes)) as BucketEntry // written by encodeEntry; the store checks its bytes
  } catch (cause) {
    throw new CorruptionError(`the catalogue row ${where} can't be read`, { cause })
  }
}

/** All entries of a day of one log partition. */
export async function readDay(
  store: Pick<BlockStore, 'scan'>,
  version: number,
  partition: number,
  day: TimestampMs,
): Promise<BucketEntry[]> {
  const entries: BucketEntry[] = []
  for await (const rows of store.scan(catalogueRef(version, partition, day))) {
    for (const row of rows) entries.push(decodeEntry(row.value, `${day}/${row.clusteringKey}`))
  }
  return entries
}

/** Runs of one metric in an entry, sealed first, then fresh by age. */
export function runsOf(entry: BucketEntry, metric: string): RunPages[] {
  const runs: RunPages[] = []
  // hasOwn: a metric may be named like something of Object's.
  if (Object.hasOwn(entry.sealed, metric)) runs.push(entry.sealed[metric])
  for (const fresh of entry.fresh) if (Object.hasOwn(fresh.metrics, metric)) runs.push(fresh.metrics[metric])
  return runs
}
