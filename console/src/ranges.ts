/** How far back the charts look. */
export interface Range {
  readonly id: string
  readonly label: string
  readonly ms: number
}

export const ranges: readonly Range[] = [
  { id: '5m', label: '5 minutes', ms: 5 * 60_000 },
  { id: '15m', label: '15 minutes', ms: 15 * 60_000 },
  { id: '1h', label: '1 hour', ms: 60 * 60_000 },
  { id: '6h', label: '6 hours', ms: 6 * 60 * 60_000 },
]

export interface Grid {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** About 180 steps of whole seconds, on a grid that stays where it is while time goes on, so that lines don't tremble. */
export function gridOf(range: Range, nowMs: number): Grid {
  const step = Math.max(2_000, Math.ceil(range.ms / 180 / 1000) * 1000)
  const end = Math.floor(nowMs / step) * step
  return { start: end - Math.floor(range.ms / step) * step, end, step }
}
