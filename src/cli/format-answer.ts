/** What the Prometheus API answers to a query. */
export interface Answer {
  readonly data: AnswerData
  readonly warnings?: readonly string[]
  readonly infos?: readonly string[]
}

type Point = readonly [seconds: number, value: string]

export type AnswerData =
  | { readonly resultType: 'scalar' | 'string'; readonly result: Point }
  | {
      readonly resultType: 'vector'
      readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: Point }[]
    }
  | {
      readonly resultType: 'matrix'
      readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly values: readonly Point[] }[]
    }

/** An answer for people: a line a series, or, of a range, a block a series and a line a point. */
export function formatAnswer(data: AnswerData): string {
  switch (data.resultType) {
    case 'scalar':
    case 'string':
      return data.result[1]
    case 'vector':
      if (data.result.length === 0) return '(no series)'
      return alignTable(data.result.map(({ metric, value }) => [seriesName(metric), value[1], time(value[0])]))
    case 'matrix':
      if (data.result.length === 0) return '(no series)'
      return data.result
        .map(({ metric, values }) => `${seriesName(metric)}\n${alignTable(values.map(([at, value]) => [`  ${time(at)}`, value]))}`)
        .join('\n\n')
  }
}

/** As Prometheus prints a series. */
function seriesName({ __name__: name = '', ...labels }: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`)
  return pairs.length === 0 && name !== '' ? name : `${name}{${pairs.join(', ')}}`
}

function time(seconds: number): string {
  return new Date(Math.round(seconds * 1000)).toISOString()
}

/** Columns as wide as their widest cell; the second, the values, to the right. */
function alignTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length)
  return rows
    .map((row) => row.map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0))).join('  '))
    .map((line) => line.trimEnd())
    .join('\n')
}
