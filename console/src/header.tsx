import { useEffect, useState } from 'react'
import type { DashboardState } from './dashboard.ts'
import { formatAge } from './format.ts'
import { type Range, ranges } from './ranges.ts'

export interface HeaderProps {
  readonly state: DashboardState
  readonly range: Range
  readonly live: boolean
  readonly onRange: (range: Range) => void
  readonly onLive: (live: boolean) => void
}

/** Whose page this is, how fresh its data is, and how far back it looks. */
export function Header({ state, range, live, onRange, onLive }: HeaderProps) {
  return (
    <header className="top">
      <div className="brand">
        <img src="/favicon.svg" alt="" width="30" height="30" />
        <div>
          <h1>Tidemark</h1>
          <span className="version">{state.server ? state.server.version : ' '}</span>
        </div>
      </div>
      <Freshness state={state} />
      <div className="controls">
        <fieldset className="ranges">
          <legend className="unseen">Time range</legend>
          {ranges.map((one) => (
            <label key={one.id} title={`The last ${one.label}`}>
              <input type="radio" name="range" className="unseen" checked={one === range} onChange={() => onRange(one)} />
              <span aria-hidden="true">{one.id}</span>
              <span className="unseen">{one.label}</span>
            </label>
          ))}
        </fieldset>
        <label className="live">
          <input type="checkbox" checked={live} onChange={(event) => onLive(event.target.checked)} />
          Live
        </label>
        <a className="link" href="/graphql">
          GraphiQL
        </a>
      </div>
    </header>
  )
}

function Freshness({ state }: { state: DashboardState }) {
  const now = useSecond() + state.skewMs
  const { server, newestMs, trouble } = state
  const ageMs = newestMs === null ? null : now - newestMs
  const lag = server?.topics?.reduce((sum, { lagRecords }) => sum + lagRecords, 0) ?? null
  const tone = trouble ? 'bad' : ageMs === null ? 'idle' : ageMs > 60_000 || (server?.freshness?.ageMs ?? 0) > 5_000 ? 'warn' : 'good'
  const text =
    trouble?.kind === 'away'
      ? 'server away'
      : ageMs === null
        ? state.metrics.length > 0
          ? 'up to date'
          : 'no data yet'
        : `data is ${formatAge(ageMs)} old`
  return (
    <div className={`freshness ${tone}`}>
      <span className="dot" aria-hidden="true" />
      <strong>{text}</strong>
      <dl>
        <div title="Records of the event log that queries can't see yet">
          <dt>lag</dt>
          <dd>{lag === null ? '–' : lag === 0 ? 'none' : `${lag} records`}</dd>
        </div>
        <div title={server?.freshness?.asOf}>
          <dt>log position</dt>
          <dd className="mono">{server?.freshness ? shorten(server.freshness.asOf) : '–'}</dd>
        </div>
      </dl>
    </div>
  )
}

/** A clock that moves each second, so that an age grows also while nothing comes. */
function useSecond(): number {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000)
    return () => clearInterval(timer)
  }, [])
  return now
}

function shorten(position: string): string {
  return position.length > 24 ? `${position.slice(0, 22)}…` : position
}
