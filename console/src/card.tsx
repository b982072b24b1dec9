import { useState } from 'react'
import type { CardDefinition } from './cards.ts'
import { Chart, colorOf } from './chart.tsx'
import type { CardState, ChartData, Line } from './dashboard.ts'
import { formatTime, formatValue, type Unit } from './format.ts'

/** One chart with its title, its newest number, and a legend whose numbers follow the pointer. */
export function Card({ card, state }: { card: CardDefinition; state: CardState | undefined }) {
  const [index, setIndex] = useState<number | null>(null)
  const chart = state?.chart
  const empty = !chart || chart.lines.length === 0
  return (
    <section className="card" aria-labelledby={`card-${card.id}`}>
      <header className="card-head">
        <h2 id={`card-${card.id}`}>{card.title}</h2>
        {!empty && <output className="headline">{headline(card, chart)}</output>}
      </header>
      <p className="about">{card.about}</p>
      {state?.error ? (
        <p className="card-error" role="alert">
          {state.error}
        </p>
      ) : empty ? (
        <p className="card-empty">{state ? `No samples yet. ${waitingFor(card)}` : 'Loading'}</p>
      ) : (
        <>
          <Chart
            data={chart}
            unit={card.unit}
            stacked={card.stacked}
            axisMaxMin={card.axisMaxMin}
            height={180}
            label={spoken(card, chart)}
            onPoint={setIndex}
          />
          <Legend lines={chart.lines} unit={card.unit} index={index} timestamps={chart.timestamps} />
        </>
      )}
    </section>
  )
}

export function Legend({
  lines,
  unit,
  index,
  timestamps,
}: {
  lines: readonly Line[]
  unit: Unit
  index: number | null
  timestamps: readonly number[]
}) {
  const at = index === null ? undefined : timestamps[index]
  // A long legend scrolls, and must do so without a mouse.
  return (
    <ul
      className="legend"
      aria-label={at === undefined ? 'Newest values' : `Values at ${formatTime(at)}`}
      tabIndex={lines.length > 8 ? 0 : undefined}
    >
      {lines.map((line, i) => {
        const value = index === null ? newest(line) : (line.values[index] ?? null)
        return (
          <li key={`${i} ${line.name}`}>
            <span className="swatch" style={{ background: `var(${colorOf(i)})` }} />
            <span className="name" title={line.name}>
              {line.name}
            </span>
            <span className="value">{value === null ? '–' : formatValue(value, unit)}</span>
          </li>
        )
      })}
    </ul>
  )
}

export function newest(line: Line): number | null {
  return line.values.findLast((value) => value !== null) ?? null
}

function headline(card: CardDefinition, chart: ChartData): string {
  const wanted = card.headline === 'sum' ? chart.lines : chart.lines.filter(({ name }) => name === card.headline)
  const values = wanted.map(newest).filter((value) => value !== null && Number.isFinite(value)) as number[]
  return values.length === 0
    ? ''
    : formatValue(
        values.reduce((sum, value) => sum + value, 0),
        card.unit,
      )
}

function spoken(card: CardDefinition, chart: ChartData): string {
  const parts = chart.lines.map((line) => {
    const value = newest(line)
    return `${line.name} ${value === null ? 'no value' : formatValue(value, card.unit)}`
  })
  return `${card.title}, newest values: ${parts.join(', ')}`
}

function waitingFor(card: CardDefinition): string {
  const metric = /[a-z]+(?:_[a-zA-Z]+){2,}/
    .exec(card.queries[0]?.expr.replace(/histogram_quantile/, '') ?? '')?.[0]
    ?.replace(/_bucket$/, '')
  return metric ? `This chart shows ${metric} as soon as it arrives.` : ''
}
