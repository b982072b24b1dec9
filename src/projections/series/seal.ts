import { CorruptionError } from '../../domain/errors.ts'
import type { BlockRow, BlockStore } from '../../domain/ports/block-store.ts'
import { PageReader } from '../blocks/page-reader.ts'
import { PageWriter } from '../blocks/page-writer.ts'
import { type BucketEntry, pageRef, type RunPages, type RunPlace, runsOf } from './catalogue.ts'
import { PAGE_BYTES_TARGET, pageRows, summary } from './flush.ts'
import { type Columns, mergePieces, type Piece } from './merge.ts'

export interface SealParts {
  readonly version: number
  readonly store: Pick<BlockStore, 'get' | 'put'>
  readonly breathe: () => Promise<void>
  /** Of the one who seals: two never give different content the same name. */
  readonly epoch: number
}

/** Rows that no longer stand for anything, to be dropped when no reader can still want them. */
export interface Garbage {
  readonly place: RunPlace
  readonly pages: number
}

/**
 * Seals a bucket of one log partition: all fresh runs and the sealed run before them become one sealed run a metric, series merged and
 * compressed. Metrics without fresh samples keep their run.
 * 1. Read every run, merge by series (one sample a time).
 * 2. Put the new pages, read them back, check them.
 * 3. The caller replaces the entry by compare-and-set; only then the old pages are garbage.
 */
export async function sealBucket(parts: SealParts, entry: BucketEntry): Promise<{ entry: BucketEntry; garbage: Garbage[] }> {
  const metrics = new Set(entry.fresh.flatMap((run) => Object.keys(run.metrics)))
  const sealed: Record<string, RunPages> = Object.assign(Object.create(null), entry.sealed)
  const garbage: Garbage[] = []
  const run = `s/${entry.through}-${parts.epoch}`
  for (const metric of metrics) {
    const runs = runsOf(entry, metric)
    sealed[metric] = await sealMetric(parts, entry, metric, runs, run)
    for (const old of runs) if (old.run !== run) garbage.push({ place: placeOf(parts, entry, metric, old.run), pages: old.pages })
    await parts.breathe()
  }
  return { entry: { ...entry, sealed, fresh: [] }, garbage }
}

function placeOf({ version }: SealParts, { bucket, partition }: BucketEntry, metric: string, run: string): RunPlace {
  return { version, metric, bucket, partition, run }
}

/** So many pages are read from the store at once. */
const READS_AT_ONCE = 16

async function sealMetric(parts: SealParts, entry: BucketEntry, metric: string, runs: readonly RunPages[], run: string): Promise<RunPages> {
  const series = new Map<string, { identity: Uint8Array; pieces: Piece[] }>()
  const refs = runs.flatMap((old) => Array.from({ length: old.pages }, (_, page) => pageRef(placeOf(parts, entry, metric, old.run), page)))
  for (let start = 0; start < refs.length; start += READS_AT_ONCE) {
    const some = refs.slice(start, start + READS_AT_ONCE)
    const pages = await Promise.all(some.map((ref) => parts.store.get(ref, ref.clusteringKey)))
    for (const [i, bytes] of pages.entries()) {
      const where = `${some[i].partitionKey}/${some[i].clusteringKey}`
      if (bytes === null) throw new CorruptionError(`page ${where} is named by the catalogue and is missing from the store`)
      collectPage(PageReader.open(bytes, where), series)
    }
  }
  const writer = new PageWriter({ pageBytesTarget: PAGE_BYTES_TARGET, compress: true })
  const merged = new Map<string, Columns>()
  for (const [key, { identity, pieces }] of series) {
    const columns = mergePieces(pieces)
    merged.set(key, columns)
    writer.add(identity, columns.times, columns.values, 0, columns.times.length)
  }
  const pages = writer.finish()
  const rows = pageRows(placeOf(parts, entry, metric, run), pages)
  await parts.store.put(rows)
  await verify(parts, rows, merged)
  return summary(run, pages)
}

function collectPage(page: PageReader, series: Map<string, { identity: Uint8Array; pieces: Piece[] }>): void {
  for (let chunk = 0; chunk < page.seriesCount; chunk++) {
    const identity = page.identities.subarray(16 * chunk, 16 * chunk + 16)
    const key = keyOf(identity)
    let known = series.get(key)
    if (known === undefined) series.set(key, (known = { identity, pieces: [] }))
    known.pieces.push({ times: page.times(chunk), values: page.values(chunk), unordered: false })
  }
}

/**
 * The record changes hands here: what was written is read from the store again, decoded, and compared sample by sample, bit by bit, before
 * anything older is let go of.
 */
async function verify(parts: SealParts, rows: readonly BlockRow[], merged: Map<string, Columns>): Promise<void> {
  let found = 0
  for (const row of rows) {
    const where = `${row.partitionKey}/${row.clusteringKey}`
    const stored = await parts.store.get(row, row.clusteringKey)
    if (stored === null) throw new CorruptionError(`sealed page ${where} was put and is not there`)
    const page = PageReader.open(stored, where)
    for (let chunk = 0; chunk < page.seriesCount; chunk++, found++) {
      const expected = merged.get(keyOf(page.identities.subarray(16 * chunk, 16 * chunk + 16)))
      if (expected === undefined || !isSame(page.times(chunk), expected.times) || !isSame(page.values(chunk), expected.values)) {
        throw new CorruptionError(`sealed page ${where} does not hold in chunk ${chunk} what was merged into it`)
      }
    }
  }
  if (found !== merged.size)
    throw new CorruptionError(`sealed pages of ${rows[0]?.partitionKey} hold ${found} series, expected ${merged.size}`)
}

/** Equal bits. */
function isSame(a: Float64Array, b: Float64Array): boolean {
  return Buffer.compare(new Uint8Array(a.buffer, a.byteOffset, a.byteLength), new Uint8Array(b.buffer, b.byteOffset, b.byteLength)) === 0
}

function keyOf(identity: Uint8Array): string {
  return Buffer.from(identity.buffer, identity.byteOffset, 16).toString('latin1')
}
