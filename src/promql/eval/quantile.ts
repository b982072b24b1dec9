/**
 * The q-quantile of the first `length` numbers of `scratch`, which are reordered: between two values, weighted. NaN sorts first.
 */
export function quantileOf(scratch: Float64Array, length: number, q: number): number {
  if (length === 0 || Number.isNaN(q)) return Number.NaN
  if (q < 0) return -Infinity
  if (q > 1) return Infinity
  let numbers = 0
  for (let i = 0; i < length; i++) {
    const value = scratch[i] as number
    if (!Number.isNaN(value)) scratch[numbers++] = value
  }
  const nans = length - numbers
  const rank = q * (length - 1)
  const lower = Math.max(0, Math.floor(rank))
  const weight = rank - Math.floor(rank)
  if (lower < nans) return Number.NaN
  const at = lower - nans
  selectNth(scratch, numbers, at)
  const below = scratch[at] as number
  if (weight === 0) return below
  let above = below
  if (at + 1 < numbers) {
    above = scratch[at + 1] as number
    for (let i = at + 2; i < numbers; i++) if ((scratch[i] as number) < above) above = scratch[i] as number
  }
  return below * (1 - weight) + above * weight
}

/** Puts the n-th smallest at index n, none greater before it, none less after it. */
function selectNth(values: Float64Array, length: number, n: number): void {
  let left = 0
  let right = length - 1
  while (left < right) {
    const pivot = medianOfThree(values[left] as number, values[(left + right) >>> 1] as number, values[right] as number)
    let i = left
    let j = right
    while (i <= j) {
      while ((values[i] as number) < pivot) i++
      while ((values[j] as number) > pivot) j--
      if (i > j) break
      const swapped = values[i] as number
      values[i++] = values[j] as number
      values[j--] = swapped
    }
    if (n <= j) right = j
    else if (n >= i) left = i
    else return
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
