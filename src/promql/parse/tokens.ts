import type { AggregateOp, BinaryOp } from '../ast.ts'
import { quoteGo } from './strings.ts'

/** What a token is; punctuation and operators are their own text. */
export type TokenType =
  | 'end'
  | 'identifier'
  | 'metric-identifier'
  | 'number'
  | 'duration'
  | 'string'
  | 'operator'
  | 'aggregator'
  | 'keyword'
  | 'preprocessor'
  | 'punctuation'

export interface Token {
  readonly type: TokenType
  /** As written. */
  readonly text: string
  /** Keywords and operators in lower case; else as written. */
  readonly word: string
  /** UTF-16 index of its first unit. */
  readonly start: number
  readonly end: number
}

/** Words that mean something to the grammar, in any case; all may be label names, most of them metric names. */
export const keywords: ReadonlyMap<string, TokenType> = new Map<string, TokenType>([
  ...words('operator', 'and or unless atan2'),
  ...words('aggregator', 'sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio'),
  ...words('keyword', 'offset smoothed anchored by without on ignoring group_left group_right fill fill_left fill_right bool'),
  ...words('preprocessor', 'start end step range max_of min_of'),
  ...words('number', 'inf nan'),
])

function words(type: TokenType, list: string): [string, TokenType][] {
  return list.split(' ').map((word) => [word, type])
}

/** How tightly binary operators bind; `^` alone is right-associative. */
export const precedence: ReadonlyMap<string, number> = new Map([
  ['or', 1],
  ...['and', 'unless'].map((op) => [op, 2] as const),
  ...['==', '!=', '<', '<=', '>', '>=', '</', '>/'].map((op) => [op, 3] as const),
  ...['+', '-'].map((op) => [op, 4] as const),
  ...['*', '/', '%', 'atan2'].map((op) => [op, 5] as const),
  ['^', 6],
])

export const POWER_PRECEDENCE = 6

const comparisonOps: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>='])
const setOps: ReadonlySet<string> = new Set(['and', 'or', 'unless'])
const aggregatorsWithParam: ReadonlySet<AggregateOp> = new Set([
  'topk',
  'bottomk',
  'count_values',
  'quantile',
  'limitk',
  'limit_ratio',
] as const)
const experimentalAggregators: ReadonlySet<AggregateOp> = new Set(['limitk', 'limit_ratio'] as const)
const notMetricNames: ReadonlySet<string> = new Set(['atan2', 'on', 'ignoring', 'group_left', 'group_right', 'bool'])

export const isComparison = (op: BinaryOp): boolean => comparisonOps.has(op)
export const isSetOperator = (op: BinaryOp): boolean => setOps.has(op)
export const takesParam = (op: AggregateOp): boolean => aggregatorsWithParam.has(op)
export const isExperimental = (op: AggregateOp): boolean => experimentalAggregators.has(op)

/** Whether a token may stand for a metric's name at the beginning of a selector. */
export function isMetricName(token: Token): boolean {
  if (token.type === 'identifier' || token.type === 'metric-identifier') return true
  return isWord(token) && token.type !== 'number' && !notMetricNames.has(token.word)
}

/** Whether a token may stand for a label's name in `by (...)`, `on (...)` and the like. */
export function isLabelName(token: Token): boolean {
  if (token.type === 'identifier' || token.type === 'metric-identifier') return true
  return isWord(token) && token.type !== 'number' && token.word !== 'without'
}

function isWord(token: Token): boolean {
  return keywords.has(token.word) && token.type !== 'identifier'
}

/** A token as error messages show it, in Prometheus' words. */
export function describe(token: Token): string {
  switch (token.type) {
    case 'end':
      return 'end of input'
    case 'identifier':
      return `identifier ${quoteGo(token.text)}`
    case 'metric-identifier':
      return `metric identifier ${quoteGo(token.text)}`
    case 'number':
    case 'duration':
    case 'string':
      return `${token.type} ${shortened(token.text)}`
    case 'operator':
      return `<op:${token.text}>`
    case 'aggregator':
      return `<aggr:${token.text}>`
    case 'keyword':
      return `<${token.text}>`
    case 'preprocessor':
    case 'punctuation':
      return shortened(token.text)
  }
}

function shortened(text: string): string {
  if (new TextEncoder().encode(text).length <= 10) return quoteGo(text)
  return `${quoteGo([...text].slice(0, 10).join(''))}...`
}
