import type { Matcher } from '../domain/matcher.ts'
import type { TimestampMs } from '../domain/time.ts'

/** What an expression yields. */
export type ValueType = 'scalar' | 'string' | 'vector' | 'matrix'

/** Where a node stands in the query text: [start, end) in UTF-16 units, for error messages. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** When a selector or subquery reads: `@ <time>`, `@ start()`, `@ end()`, or (null) the evaluation's own time. */
export type AtModifier =
  | { readonly kind: 'time'; readonly timeMs: TimestampMs }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | null

export interface NumberLiteral {
  readonly kind: 'number'
  readonly span: Span
  readonly value: number
  /** Written as a duration ("5m" is 300): how it is printed, nothing else. */
  readonly isDuration?: boolean
}

export interface StringLiteral {
  readonly kind: 'string'
  readonly span: Span
  readonly value: string
}

export interface VectorSelector {
  readonly kind: 'selector'
  readonly span: Span
  /** The metric's name stands among them as a matcher on `__name__`. Each regular expression has been checked to compile. */
  readonly matchers: readonly Matcher[]
  readonly offsetMs: number
  readonly at: AtModifier
  /** `anchored`, `smoothed`: also looks a lookback beyond the edges of its range, for the values there. Absent: neither. */
  readonly extension?: RangeExtension
}

export type RangeExtension = 'anchored' | 'smoothed'

/** `selector[range]` */
export interface MatrixSelector {
  readonly kind: 'matrix'
  readonly span: Span
  readonly selector: VectorSelector
  readonly rangeMs: number
}

/** `expr[range:step]` */
export interface Subquery {
  readonly kind: 'subquery'
  readonly span: Span
  readonly expr: Expr
  readonly rangeMs: number
  /** null: the default evaluation interval (1 minute). */
  readonly stepMs: number | null
  readonly offsetMs: number
  readonly at: AtModifier
}

export interface Paren {
  readonly kind: 'paren'
  readonly span: Span
  readonly expr: Expr
}

export interface Unary {
  readonly kind: 'unary'
  readonly span: Span
  readonly op: '+' | '-'
  readonly expr: Expr
}

export type ArithmeticOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2'
export type ComparisonOp = '==' | '!=' | '<' | '<=' | '>' | '>='
export type SetOp = 'and' | 'or' | 'unless'
export type BinaryOp = ArithmeticOp | ComparisonOp | SetOp

export interface VectorMatching {
  readonly cardinality: 'one-to-one' | 'many-to-one' | 'one-to-many' | 'many-to-many'
  /** true: `on(labels)`; false: `ignoring(labels)`, which is also the default with no labels. */
  readonly on: boolean
  readonly labels: readonly string[]
  /** Labels of `group_left(...)` or `group_right(...)`. */
  readonly include: readonly string[]
}

export interface Binary {
  readonly kind: 'binary'
  readonly span: Span
  readonly op: BinaryOp
  readonly left: Expr
  readonly right: Expr
  /** `bool` after a comparison. */
  readonly returnBool: boolean
  /** Only between two vectors. */
  readonly matching: VectorMatching | null
}

export type AggregateOp =
  | 'sum'
  | 'avg'
  | 'count'
  | 'min'
  | 'max'
  | 'group'
  | 'stddev'
  | 'stdvar'
  | 'topk'
  | 'bottomk'
  | 'count_values'
  | 'quantile'
  | 'limitk'
  | 'limit_ratio'

export interface Aggregate {
  readonly kind: 'aggregate'
  readonly span: Span
  readonly op: AggregateOp
  readonly expr: Expr
  readonly param: Expr | null
  /** The labels of `by (...)` or `without (...)`, in the order written. */
  readonly grouping: readonly string[]
  readonly without: boolean
}

export interface Call {
  readonly kind: 'call'
  readonly span: Span
  /** A name of `functions.ts`. */
  readonly name: string
  readonly args: readonly Expr[]
}

export type Expr = NumberLiteral | StringLiteral | VectorSelector | MatrixSelector | Subquery | Paren | Unary | Binary | Aggregate | Call
