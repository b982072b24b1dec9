import { type FormEvent, useEffect, useRef, useState } from 'react'
import { Legend } from './card.tsx'
import { Chart } from './chart.tsx'
import type { ChartData } from './dashboard.ts'
import { exactValue, formatTime, parseValue } from './format.ts'
import { ask, type FieldError, type JsonValue, type RangeAnswer, TokenNeeded } from './graphql.ts'
import { PromqlInput } from './promql-input.tsx'
import { gridOf, type Range } from './ranges.ts'

const REFRESH_MS = 5_000
const LINES_MAX = 50
const ROWS_MAX = 200

const document = `query Explore($query: String!, $start: Timestamp!, $end: Timestamp!, $step: Int!) {
  range: rangeQuery(query: $query, start: $start, end: $end, step: $step, limit: ${LINES_MAX}) { timestamps seriesTotal warnings infos series { labels { name value } text values } }
  instant: instantQuery(query: $query, limit: ${ROWS_MAX}) {
    seriesTotal warnings infos
    result {
      __typename
      ... on VectorResult { series { text value } }
      ... on ScalarResult { number: value }
      ... on StringResult { string: value }
      ... on MatrixResult { series { text timestamps values } }
    }
  }
}`

interface Answer {
  readonly range: RangeAnswer | null
  readonly instant: {
    readonly seriesTotal: number
    readonly warnings: readonly string[]
    readonly infos: readonly string[]
    readonly result: InstantResult
  } | null
}

type InstantResult =
  | { readonly __typename: 'VectorResult'; readonly series: readonly { readonly text: string; readonly value: JsonValue }[] }
  | { readonly __typename: 'ScalarResult'; readonly number: JsonValue }
  | { readonly __typename: 'StringResult'; readonly string: string }
  | {
      readonly __typename: 'MatrixResult'
      readonly series: readonly { readonly text: string; readonly timestamps: readonly number[]; readonly values: readonly JsonValue[] }[]
    }

interface Shown {
  readonly answer: Answer
  readonly errors: readonly FieldError[]
}

const examples = ['up', 'node_load1', 'rate(node_cpu_seconds_total[1m])', 'topk(5, tidemark_log_end_offset)']

export interface ExploreProps {
  readonly range: Range
  readonly live: boolean
  /** The server's clock less this page's, in milliseconds. */
  readonly skewMs: number
  /** What to ask for instead of the usual examples, which this server has nothing of. */
  readonly metrics: readonly string[]
  readonly query: string
  readonly onQuery: (query: string) => void
}

/** A PromQL expression, its chart over the page's time range, and its values now. */
export function Explore({ range, live, skewMs, metrics, query, onQuery }: ExploreProps) {
  const [text, setText] = useState(query)
  const { shown, trouble, busy } = useAnswer(query, range, live, skewMs)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onQuery(text.trim())
  }
  const run = (expr: string) => {
    setText(expr)
    onQuery(expr)
  }
  return (
    <section className="card explore" aria-labelledby="explore-title">
      <header className="card-head">
        <h2 id="explore-title">Explore</h2>
      </header>
      <form className="ask" onSubmit={submit}>
        <PromqlInput value={text} onChange={setText} onRun={run} />
        <button type="submit" disabled={text.trim() === ''}>
          Run
        </button>
      </form>
      {query === '' ? (
        <p className="about">
          Ask in PromQL. For example:{' '}
          {(metrics.length > 0 ? metrics : examples).map((example) => (
            <button type="button" className="example" key={example} onClick={() => run(example)}>
              {example}
            </button>
          ))}
        </p>
      ) : (
        <div aria-busy={busy} aria-live="polite">
          {trouble && (
            <p className="card-error" role="alert">
              {trouble}
            </p>
          )}
          {shown && <Result key={query} shown={shown} query={query} />}
        </div>
      )}
    </section>
  )
}

function Result({ shown: { answer, errors }, query }: { shown: Shown; query: string }) {
  const [index, setIndex] = useState<number | null>(null)
  const { range, instant } = answer
  const notes = [...new Set([...(range?.warnings ?? []), ...(instant?.warnings ?? []), ...(instant?.infos ?? [])])]
  // What is wrong with an expression is wrong with it both times: once is enough. Raw samples are no lines, and that is no error.
  const problems = [...new Set(errors.filter(({ path }) => !(path?.[0] === 'range' && instant)).map(({ message }) => message))]
  const chart: ChartData | null = range && {
    timestamps: range.timestamps,
    lines: range.series.map(({ text, values }) => ({ name: text, values: values.map(parseValue) })),
  }
  return (
    <>
      {problems.map((problem) => (
        <p className="card-error" role="alert" key={problem}>
          {problem}
        </p>
      ))}
      {notes.map((note) => (
        <p className="card-note" key={note}>
          {note}
        </p>
      ))}
      {chart && chart.lines.length > 0 && (
        <>
          <Chart data={chart} unit="none" stacked={false} height={260} label={`${query} over time`} onPoint={setIndex} />
          <Legend lines={chart.lines} unit="none" index={index} timestamps={chart.timestamps} />
        </>
      )}
      {instant && <Values result={instant.result} total={instant.seriesTotal} />}
    </>
  )
}

function Values({ result, total }: { result: InstantResult; total: number }) {
  if (result.__typename === 'ScalarResult') return <p className="scalar mono">{exactValue(result.number)}</p>
  if (result.__typename === 'StringResult') return <p className="scalar mono">{result.string}</p>
  if (result.series.length === 0) return <p className="card-empty">No series match now.</p>
  const rows =
    result.__typename === 'VectorResult'
      ? result.series.map(({ text, value }) => [text, exactValue(value)] as const)
      : result.series.map(
          ({ text, timestamps, values }) =>
            [text, `${values.length} samples, ${exactValue(values.at(-1) ?? null)} at ${formatTime(timestamps.at(-1) ?? 0)}`] as const,
        )
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a long table scrolls, and must do so without a mouse
    <div className="table" tabIndex={0}>
      <table>
        <caption>{total > rows.length ? `${rows.length} of ${total} series, now` : `${total} series, now`}</caption>
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col">{result.__typename === 'VectorResult' ? 'Value' : 'Samples'}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([text, value]) => (
            <tr key={text}>
              <td className="mono">{text}</td>
              <td className="mono number">{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Asks when the expression or the range changes, and again and again while the page is live. */
function useAnswer(query: string, range: Range, live: boolean, skewMs: number) {
  const skew = useRef(skewMs)
  skew.current = skewMs
  const [shown, setShown] = useState<Shown | null>(null)
  const [trouble, setTrouble] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  useEffect(() => {
    setShown(null)
    setTrouble(null)
    if (query === '') return
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const run = async () => {
      setBusy(true)
      try {
        const { data, errors } = await ask<Answer>(document, { query, ...gridOf(range, Date.now() + skew.current) }, controller.signal)
        setShown({ answer: data ?? { range: null, instant: null }, errors })
        setTrouble(null)
      } catch (error) {
        if (controller.signal.aborted) return
        // The page itself asks for the token and tells that the server is away.
        setTrouble(error instanceof TokenNeeded ? null : error instanceof Error ? error.message : String(error))
      }
      setBusy(false)
      if (live) timer = setTimeout(run, REFRESH_MS)
    }
    run()
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [query, range, live])

  return { shown, trouble, busy }
}
