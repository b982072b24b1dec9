import { useEffect, useMemo, useRef } from 'react'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { ChartData } from './dashboard.ts'
import { formatValue, type Unit } from './format.ts'
import { useTheme } from './theme.ts'

export interface ChartProps {
  readonly data: ChartData
  readonly unit: Unit
  readonly stacked: boolean
  readonly axisMaxMin?: number
  readonly height: number
  /** What a reader who can't see the chart is told. */
  readonly label: string
  /** The index of the time under the pointer; null: the pointer is elsewhere. */
  readonly onPoint: (index: number | null) => void
}

/** Lines or stacked areas over time. Pointers of all charts of the page move together. */
export function Chart({ data, unit, stacked, axisMaxMin = 0, height, label, onPoint }: ChartProps) {
  const host = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const point = useRef(onPoint)
  point.current = onPoint
  const theme = useTheme()
  const names = JSON.stringify(data.lines.map(({ name }) => name))
  const columns = useMemo(() => columnsOf(data, stacked), [data, stacked])
  const latest = useRef(columns)
  latest.current = columns

  // A chart is made anew when what it draws has changed, and only fed when its numbers have.
  useEffect(() => {
    const element = host.current
    if (!element) return
    const made = new uPlot(
      options({ element, names: JSON.parse(names), unit, stacked, axisMaxMin, height, point }),
      latest.current,
      element,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = null
    }
  }, [names, unit, stacked, axisMaxMin, height, theme])

  useEffect(() => plot.current?.setData(columns), [columns])

  return <div className="chart" ref={host} role="img" aria-label={label} style={{ height }} />
}

interface OptionsInput {
  readonly element: HTMLElement
  readonly names: readonly string[]
  readonly unit: Unit
  readonly stacked: boolean
  readonly axisMaxMin: number
  readonly height: number
  readonly point: { readonly current: (index: number | null) => void }
}

function options({ element, names, unit, stacked, axisMaxMin, height, point }: OptionsInput): uPlot.Options {
  const style = getComputedStyle(element)
  const color = (name: string) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: color('--ink-soft'),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  }
  return {
    width: element.clientWidth,
    height,
    legend: { show: false },
    padding: [8, 8, 0, 0],
    cursor: { sync: { key: 'tidemark' }, y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: true },
      y: { range: (_, min, max) => [Math.min(min ?? 0, 0), Math.max((max ?? 0) * 1.05, axisMaxMin, Number.MIN_VALUE * 2 ** 60)] },
    },
    axes: [
      { ...axis, size: 28, space: 48, values: (_, splits, __, ___, stepSeconds) => timeLabels(splits, stepSeconds) },
      {
        ...axis,
        size: 66,
        space: 32,
        ...(unit.startsWith('bytes') && { incrs: binarySteps }),
        values: (_, splits) => splits.map((value) => formatValue(value, unit)),
      },
    ],
    series: [
      {},
      ...names.map((name, i): uPlot.Series => {
        const stroke = color(colorOf(i))
        return { label: name, stroke, width: 1.6, points: { show: false }, ...(stacked && { fill: `${stroke}66` }) }
      }),
    ],
    bands: stacked ? names.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) : [],
    hooks: { setCursor: [(self) => point.current(self.cursor.idx ?? null)] },
  }
}

/** Bytes are counted in powers of two, and so are the lines across their charts. */
const binarySteps = Array.from({ length: 53 }, (_, i) => 2 ** i)

/** The colour of a line by its place, as a variable of the page. */
export function colorOf(index: number): string {
  return `--series-${(index % 8) + 1}`
}

function columnsOf({ timestamps, lines }: ChartData, stacked: boolean): uPlot.AlignedData {
  const times = timestamps.map((ms) => ms / 1000)
  if (!stacked) return [times, ...lines.map(({ values }) => values.map(drawable))]
  const below = new Array<number>(times.length).fill(0)
  const columns = lines.map(({ values }) =>
    values.map((value, i) => {
      const own = drawable(value)
      if (own === null) return null
      below[i] = (below[i] ?? 0) + own
      return below[i] ?? null
    }),
  )
  return [times, ...columns]
}

/** A line has no place for NaN and infinities: a gap stands there. */
function drawable(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null
}

function timeLabels(splits: readonly number[], stepSeconds: number): string[] {
  const fine = stepSeconds < 60
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000)
    const parts = [date.getHours(), date.getMinutes(), ...(fine ? [date.getSeconds()] : [])]
    return parts.map((part) => String(part).padStart(2, '0')).join(':')
  })
}
