import { useEffect, useState } from 'react'
import { Card } from './card.tsx'
import { cards } from './cards.ts'
import { useDashboard } from './dashboard.ts'
import { Explore } from './explore.tsx'
import { Header } from './header.tsx'
import { type Range, ranges } from './ranges.ts'
import { TokenDialog } from './token-dialog.tsx'

/** What the page shows stands in its address, so that it can be sent to somebody. */
function fromAddress(): { range: Range; query: string } {
  const params = new URLSearchParams(location.search)
  return {
    range: ranges.find(({ id }) => id === params.get('range')) ?? (ranges[0] as Range),
    query: params.get('q') ?? '',
  }
}

export function App() {
  const [range, setRange] = useState(() => fromAddress().range)
  const [query, setQuery] = useState(() => fromAddress().query)
  const [live, setLive] = useState(true)
  const { state, retry } = useDashboard(range, live)

  useEffect(() => {
    const params = new URLSearchParams({ range: range.id, ...(query !== '' && { q: query }) })
    history.replaceState(null, '', `?${params}`)
  }, [range, query])

  const { trouble } = state
  const noCharts = state.answered && [...state.cards.values()].every(({ chart, error }) => chart.lines.length === 0 && error === null)
  return (
    <>
      <Header state={state} range={range} live={live} onRange={setRange} onLive={setLive} />
      <main className={trouble ? 'stale' : ''}>
        {trouble?.kind === 'away' && (
          <p className="banner bad" role="alert">
            <strong>The server can't be reached.</strong> {state.answered ? 'What is shown is what was last known. ' : ''}
            This page tries again by itself.
          </p>
        )}
        {(trouble?.kind === 'token' || trouble?.kind === 'token-refused') && (
          <TokenDialog key={trouble.kind} refused={trouble.kind === 'token-refused'} onToken={retry} />
        )}
        {noCharts && (state.metrics.length === 0 ? <NothingYet /> : <OtherData />)}
        <Explore range={range} live={live} skewMs={state.skewMs} metrics={noCharts ? state.metrics : []} query={query} onQuery={setQuery} />
        <div className="cards">
          {cards.map((card) => (
            <Card key={card.id} card={card} state={state.cards.get(card.id)} />
          ))}
        </div>
      </main>
    </>
  )
}

function NothingYet() {
  const address = location.origin
  const body = '{"series":[{"labels":{"__name__":"hello"},"samples":[[1]]}]}'
  return (
    <section className="banner idle" aria-labelledby="nothing-yet">
      <h2 id="nothing-yet">No samples yet</h2>
      <p>
        Started with <code>npm start</code>, Tidemark collects this machine's CPU, memory, network and disk and its own requests and event
        log: the charts below fill within 15 seconds. A server without configuration shows what is sent to it, as by
      </p>
      <pre>
        <code>{`curl ${address}/api/v1/push -H 'content-type: application/json' -d '${body}'`}</code>
      </pre>
    </section>
  )
}

function OtherData() {
  return (
    <p className="banner idle">
      This server holds data, but nothing of this machine or of itself in this time range, which is what the charts below show. Ask for what
      it holds:
    </p>
  )
}
