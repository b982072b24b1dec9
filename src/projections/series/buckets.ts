import { limits } from '../../domain/limits.ts'
import { DAY_MS, type TimeRange, type TimestampMs } from '../../domain/time.ts'

/**
 * Raw buckets are two hours, half-open as PromQL windows are: (start, end]. A sample on the hour belongs to the bucket that ends there.
 * A bucket is named by its start, and stands in the storage of the UTC day in which it starts.
 */
export const BUCKET_MS = limits.rawBucketMs

export function bucketOf(time: TimestampMs): TimestampMs {
  return (Math.ceil(time / BUCKET_MS) - 1) * BUCKET_MS
}

export function dayOfBucket(bucket: TimestampMs): TimestampMs {
  return Math.floor(bucket / DAY_MS) * DAY_MS
}

/** Days that hold buckets of (start, end]. */
export function daysOf(range: TimeRange): TimestampMs[] {
  const days: TimestampMs[] = []
  for (let day = dayOfBucket(bucketOf(range.startMs + 1)); day <= dayOfBucket(bucketOf(range.endMs)); day += DAY_MS) days.push(day)
  return days
}
