import type { Unit } from './format.ts'

/** One line, or one for each value of a label, of a card's chart. */
export interface CardQuery {
  /** PromQL; `$window` stands for a range that holds several samples at any step. */
  readonly expr: string
  /** Fixed, or the values of labels in braces, as in `{mode}`. */
  readonly legend: string
}

export interface CardDefinition {
  readonly id: string
  readonly title: string
  /** In a sentence: what is to be seen. */
  readonly about: string
  readonly unit: Unit
  /** Areas on top of each other instead of lines. */
  readonly stacked: boolean
  /** The number beside the title: the newest values of all lines together, or of the line of this name. */
  readonly headline: 'sum' | (string & {})
  /** The least that the axis reaches up to. */
  readonly axisMaxMin?: number
  /** The order of the lines that have these names, before all others; else it is that of the answers. */
  readonly order?: readonly string[]
  readonly queries: readonly CardQuery[]
}

/** What the page shows of a machine and of the server itself. */
export const cards: readonly CardDefinition[] = [
  {
    id: 'cpu',
    headline: 'sum',
    title: 'CPU',
    about: 'What the cores of this machine do, of all their time.',
    unit: 'percent',
    stacked: true,
    axisMaxMin: 100,
    order: ['user', 'system', 'iowait', 'softirq', 'irq', 'nice', 'steal'],
    queries: [
      {
        expr: '100 * sum by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[$window])) / scalar(sum(rate(node_cpu_seconds_total[$window])))',
        legend: '{mode}',
      },
    ],
  },
  {
    id: 'memory',
    headline: 'in use',
    title: 'Memory',
    about: 'What this machine holds in memory.',
    unit: 'bytes',
    stacked: true,
    queries: [
      { expr: 'sum(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)', legend: 'in use' },
      { expr: 'sum(node_memory_MemAvailable_bytes - node_memory_MemFree_bytes)', legend: 'cache' },
      { expr: 'sum(node_memory_MemFree_bytes)', legend: 'free' },
    ],
  },
  {
    id: 'network',
    headline: 'received',
    title: 'Network',
    about: 'Bytes received and sent, without the loopback device.',
    unit: 'bytes/s',
    stacked: false,
    axisMaxMin: 1024,
    queries: [
      { expr: 'sum(rate(node_network_receive_bytes_total{device!="lo"}[$window]))', legend: 'received' },
      { expr: 'sum(rate(node_network_transmit_bytes_total{device!="lo"}[$window]))', legend: 'sent' },
    ],
  },
  {
    id: 'disk',
    headline: 'written',
    title: 'Disk',
    about: 'Bytes read from and written to the disks.',
    unit: 'bytes/s',
    stacked: false,
    axisMaxMin: 1024,
    queries: [
      { expr: 'sum(rate(node_disk_read_bytes_total[$window]))', legend: 'read' },
      { expr: 'sum(rate(node_disk_written_bytes_total[$window]))', legend: 'written' },
    ],
  },
  {
    id: 'requests',
    headline: 'sum',
    title: 'Requests',
    about: 'HTTP requests that Tidemark answers, by their handler.',
    unit: '/s',
    stacked: false,
    axisMaxMin: 1,
    queries: [{ expr: 'sum by (handler) (rate(tidemark_http_requests_total[$window]))', legend: '{handler}' }],
  },
  {
    id: 'latency',
    headline: '99 of 100',
    title: 'Latency',
    about: 'How long Tidemark takes to answer an HTTP request.',
    unit: 'seconds',
    stacked: false,
    queries: [
      {
        expr: 'histogram_quantile(0.5, sum by (le) (rate(tidemark_http_request_duration_seconds_bucket[$window])))',
        legend: 'half of all',
      },
      {
        expr: 'histogram_quantile(0.99, sum by (le) (rate(tidemark_http_request_duration_seconds_bucket[$window])))',
        legend: '99 of 100',
      },
    ],
  },
  {
    id: 'ingest',
    headline: 'accepted',
    title: 'Samples',
    about: 'Samples that come in.',
    unit: '/s',
    stacked: false,
    axisMaxMin: 1,
    queries: [{ expr: 'sum by (result) (rate(tidemark_ingest_samples_total[$window]))', legend: '{result}' }],
  },
  {
    id: 'depth',
    headline: 'sum',
    title: 'Event log: depth',
    about: 'Records held, by topic and partition.',
    unit: 'count',
    stacked: false,
    queries: [{ expr: 'tidemark_log_end_offset - tidemark_log_start_offset', legend: '{topic} {partition}' }],
  },
  {
    id: 'lag',
    headline: 'sum',
    title: 'Event log: lag',
    about: 'Records that wait to be applied, by topic and partition.',
    unit: 'count',
    stacked: false,
    axisMaxMin: 10,
    queries: [{ expr: 'tidemark_log_lag_records', legend: '{topic} {partition}' }],
  },
]

/** The text of a query at this step: the range holds at least four samples of a scrape every 15 seconds, and no step is left out. */
export function exprAt(query: CardQuery, stepMs: number): string {
  return query.expr.replaceAll('$window', `${Math.max(60, (2 * stepMs) / 1000)}s`)
}

export function legendOf(query: CardQuery, labels: readonly { readonly name: string; readonly value: string }[]): string {
  const text = query.legend.replace(/\{(\w+)\}/g, (_, name) => labels.find((label) => label.name === name)?.value ?? '')
  return text.replace(/\btidemark\./, '').trim() || 'all'
}
