import { useEffect, useRef, useState } from 'react'
import { cards, exprAt, legendOf } from './cards.ts'
import { parseValue } from './format.ts'
import { ask, type FieldError, type RangeAnswer, type ServerAnswer, TokenNeeded } from './graphql.ts'
import { gridOf, type Range } from './ranges.ts'

export interface Line {
  readonly name: string
  readonly values: readonly (number | null)[]
}

export interface ChartData {
  /** Milliseconds. */
  readonly timestamps: readonly number[]
  readonly lines: readonly Line[]
}

export interface CardState {
  readonly chart: ChartData
  readonly error: string | null
}

export interface DashboardState {
  readonly server: ServerAnswer | null
  /** The time of the newest sample of the charts; null: there is none. */
  readonly newestMs: number | null
  /** Some of the metrics that there are; empty: there is nothing at all. */
  readonly metrics: readonly string[]
  /** By card. */
  readonly cards: ReadonlyMap<string, CardState>
  /** The server's clock less this page's, in milliseconds. */
  readonly skewMs: number
  /** null: the last answer was good. */
  readonly trouble: { readonly kind: 'away' | 'token' | 'token-refused'; readonly message: string } | null
  /** Whether there has been any answer. */
  readonly answered: boolean
}

const REFRESH_MS = 5_000
const RETRY_MS_MAX = 10_000

const queries = cards.flatMap((card) => card.queries.map((query) => ({ card, query })))

/** One document for the whole page: the server answers all charts from one request. */
const document = `query Dashboard($start: Timestamp!, $end: Timestamp!, $step: Int!, ${queries.map((_, i) => `$q${i}: String!`).join(', ')}) {
  server { version now freshness { asOf ageMs } topics { name lagRecords depthRecords } }
  some: metrics(first: 4) { nodes { name } }
  newest: instantQuery(query: "max(timestamp(node_load1 or up or tidemark_log_end_offset))") { result { ... on VectorResult { series { value } } } }
${queries.map((_, i) => `  q${i}: rangeQuery(query: $q${i}, start: $start, end: $end, step: $step, limit: 40) { ...Lines }`).join('\n')}
}
fragment Lines on RangeQueryAnswer { timestamps series { labels { name value } values } }`

type Answer = Record<string, RangeAnswer | null> & {
  readonly server: ServerAnswer
  readonly some: { readonly nodes: readonly { readonly name: string }[] } | null
  readonly newest: { readonly result: { readonly series?: readonly { readonly value: number | string }[] } } | null
}

const nothing: DashboardState = { server: null, newestMs: null, metrics: [], cards: new Map(), skewMs: 0, trouble: null, answered: false }

/** Asks every 5 seconds, and after trouble more and more patiently; what was last known stays. `retry` asks at once. */
export function useDashboard(range: Range, live: boolean): { state: DashboardState; retry: () => void } {
  const [state, setState] = useState<DashboardState>(nothing)
  const [turn, setTurn] = useState(0)
  const skew = useRef(0)

  useEffect(() => {
    const controller = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    let failures = 0
    const run = async () => {
      try {
        const next = await load(range, Date.now() + skew.current, controller.signal)
        failures = 0
        skew.current = next.skewMs
        setState(next)
        if (live) timer = setTimeout(run, REFRESH_MS)
      } catch (error) {
        if (controller.signal.aborted) return
        failures += 1
        setState((before) => ({ ...before, trouble: troubleOf(error) }))
        // Without a token there is nothing to retry with.
        if (!(error instanceof TokenNeeded)) timer = setTimeout(run, Math.min(1000 * 2 ** (failures - 1), RETRY_MS_MAX))
      }
    }
    run()
    return () => {
      controller.abort()
      clearTimeout(timer)
    }
  }, [range, live, turn])

  return { state, retry: () => setTurn((before) => before + 1) }
}

async function load(range: Range, nowMs: number, signal: AbortSignal): Promise<DashboardState> {
  const grid = gridOf(range, nowMs)
  const variables = { ...grid, ...Object.fromEntries(queries.map(({ query }, i) => [`q${i}`, exprAt(query, grid.step)])) }
  const { data, errors } = await ask<Answer>(document, variables, signal)
  if (!data) throw new Error(errors[0]?.message ?? 'the server answered with nothing')
  const states = new Map<string, CardState>()
  for (const card of cards) {
    const own = queries.map((entry, i) => ({ ...entry, alias: `q${i}` })).filter((entry) => entry.card === card)
    const chart = merge(
      card.order ?? [],
      own.map(({ query, alias }) => ({ query, answer: data[alias] ?? null })),
    )
    states.set(card.id, {
      chart,
      error: errorOf(
        errors,
        own.map(({ alias }) => alias),
      ),
    })
  }
  const newest = data.newest?.result.series?.[0]?.value
  return {
    server: data.server,
    newestMs: typeof newest === 'number' ? newest * 1000 : null,
    metrics: data.some?.nodes.map(({ name }) => name) ?? [],
    cards: states,
    skewMs: data.server.now - Date.now(),
    trouble: null,
    answered: true,
  }
}

function merge(
  order: readonly string[],
  parts: readonly { query: (typeof queries)[number]['query']; answer: RangeAnswer | null }[],
): ChartData {
  const timestamps = parts.find(({ answer }) => answer)?.answer?.timestamps ?? []
  const lines = parts.flatMap(({ query, answer }) =>
    (answer?.series ?? []).map(({ labels, values }) => ({ name: legendOf(query, labels), values: values.map(parseValue) })),
  )
  const place = (line: Line) => (order.includes(line.name) ? order.indexOf(line.name) : order.length)
  return { timestamps, lines: lines.sort((a, b) => place(a) - place(b)) }
}

function errorOf(errors: readonly FieldError[], aliases: readonly string[]): string | null {
  return errors.find(({ path }) => path !== undefined && aliases.includes(String(path[0])))?.message ?? null
}

function troubleOf(error: unknown): DashboardState['trouble'] {
  if (error instanceof TokenNeeded) return { kind: error.refused ? 'token-refused' : 'token', message: error.message }
  return { kind: 'away', message: error instanceof Error ? error.message : String(error) }
}
