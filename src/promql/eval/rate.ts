import { anchoredLow, extendedRate } from './extended.ts'
import { cumulativeChanges, eachWindow, type RangeFunction, type RangeRow } from './range-kernel.ts'

/*
 * rate, increase, delta:
 * 1. last - first of the window, plus what each reset of a counter lost;
 * 2. stretched to where the series probably began and ended within the window: up to the window's edge if a sample could be expected
 *    there (within 1.1 of the average distance), else by half of that distance; a counter not further back than its zero;
 * 3. rate: per second.
 */
function extrapolated(isCounter: boolean, isRate: boolean): RangeFunction {
  return (frame) => {
    const { ends, rangeMs, extension } = frame
    if (extension !== null) return extendedRate(isCounter, isRate)(frame)
    const rangeSeconds = rangeMs / 1000
    return (row, out, base, present) => {
      const { times, values, low, high, steps } = row
      const resets = isCounter ? findResets(row) : NONE
      let count = 0
      let nextReset = 0
      for (let k = 0; k < steps; k++) {
        const first = low[k] as number
        const last = (high[k] as number) - 1
        present[k] = 0
        if (last <= first) continue
        const firstValue = values[first] as number
        let delta = (values[last] as number) - firstValue
        while (nextReset < resets.length && (resets[nextReset] as number) <= first) nextReset++
        for (let r = nextReset; r < resets.length && (resets[r] as number) <= last; r++) {
          delta += values[(resets[r] as number) - 1] as number
        }
        const end = ends[k] as number
        const firstTime = times[first] as number
        const lastTime = times[last] as number
        const sampled = (lastTime - firstTime) / 1000
        const average = sampled / (last - first)
        const threshold = average * 1.1
        let toStart = (firstTime - (end - rangeMs)) / 1000
        let toEnd = (end - lastTime) / 1000
        if (toStart >= threshold) toStart = average / 2
        if (isCounter) {
          let toZero = toStart
          if (delta > 0 && firstValue >= 0) toZero = sampled * (firstValue / delta)
          if (toZero < toStart) toStart = toZero
        }
        if (toEnd >= threshold) toEnd = average / 2
        let factor = (sampled + toStart + toEnd) / sampled
        if (isRate) factor /= rangeSeconds
        out[base + k] = delta * factor
        present[k] = 1
        count++
      }
      return count
    }
  }
}

const NONE: readonly number[] = []

/** Indexes of samples that are less than the one before, over all windows. */
function findResets({ values, low, high, steps }: RangeRow): readonly number[] {
  const to = high[steps - 1] as number
  let resets: number[] | null = null
  for (let i = (low[0] as number) + 1; i < to; i++) {
    if ((values[i] as number) < (values[i - 1] as number)) {
      resets ??= []
      resets.push(i)
    }
  }
  return resets ?? NONE
}

/** irate, idelta: from the last two samples of the window. */
function lastTwo(isRate: boolean): RangeFunction {
  return eachWindow(2, ({ times, values }, _low, high) => {
    const before = values[high - 2] as number
    const now = values[high - 1] as number
    const delta = isRate && now < before ? now : now - before
    return isRate ? delta / (((times[high - 1] as number) - (times[high - 2] as number)) / 1000) : delta
  })
}

/** resets, changes: how many there are within the window. */
function counting(differs: (before: number, now: number) => boolean): RangeFunction {
  return ({ ends, rangeMs, extension }) =>
    (row, out, base, present) => {
      const { times, values, low, high, steps } = row
      const start = low[0] as number
      const counts = cumulativeChanges(values, start, high[steps - 1] as number, differs)
      let count = 0
      for (let k = 0; k < steps; k++) {
        const to = high[k] as number
        let from = low[k] as number
        if (extension !== null) from = anchoredLow(times, from, to, (ends[k] as number) - rangeMs)
        present[k] = to > from && from >= 0 ? 1 : 0
        if (present[k] === 0) continue
        out[base + k] = (counts[to - 1 - start] as number) - (counts[from - start] as number)
        count++
      }
      return count
    }
}

export const rateFunctions: Readonly<Record<string, RangeFunction>> = {
  rate: extrapolated(true, true),
  increase: extrapolated(true, false),
  delta: extrapolated(false, false),
  irate: lastTwo(true),
  idelta: lastTwo(false),
  resets: counting((before, now) => now < before),
  changes: counting((before, now) => now !== before && !(Number.isNaN(now) && Number.isNaN(before))),
}
