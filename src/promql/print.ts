import { METRIC_NAME } from '../domain/labels.ts'
import type { Matcher } from '../domain/matcher.ts'
import type { Aggregate, AtModifier, Binary, Expr, Subquery, VectorMatching, VectorSelector } from './ast.ts'
import { formatDuration } from './parse/durations.ts'
import { quoteGo } from './parse/strings.ts'

const plainLabel = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const plainMetric = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
/** Words that can't stand before the braces, since the grammar wants them for itself, or numbers. */
const reservedMetrics: ReadonlySet<string> = new Set(['atan2', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'inf', 'nan'])
/** Words that the grammar takes for something else even where labels are listed. */
const quotedLabels: ReadonlySet<string> = new Set(['without', 'inf', 'nan'])

/** The expression as Prometheus prints it: one spelling for each tree. Parsing it gives the same tree, but for the order of matchers. */
export function printExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return expr.isDuration ? formatDuration(expr.value * 1000) : formatDecimal(expr.value)
    case 'string':
      return quoteGo(expr.value)
    case 'selector':
      return `${printSelector(expr.matchers)}${printAt(expr.at)}${printExtension(expr)}${printOffset(expr.offsetMs)}`
    case 'matrix':
      return `${printSelector(expr.selector.matchers)}[${formatDuration(expr.rangeMs)}]${printExtension(expr.selector)}${printModifiers(expr.selector)}`
    case 'subquery':
      return `${printExpr(expr.expr)}${printSubqueryTail(expr)}`
    case 'paren':
      return `(${printExpr(expr.expr)})`
    case 'unary':
      return `${expr.op}${printExpr(expr.expr)}`
    case 'binary':
      return printBinary(expr)
    case 'aggregate':
      return printAggregate(expr)
    case 'call':
      return `${expr.name}(${expr.args.map(printExpr).join(', ')})`
  }
}

/** `name{label="value"}`; matchers in order of their text. */
export function printSelector(matchers: readonly Matcher[]): string {
  const named = matchers.filter((matcher) => matcher.name === METRIC_NAME)
  const outside = named.length === 1 && canStandOutside(named[0] as Matcher) ? (named[0] as Matcher) : null
  const parts = matchers.filter((matcher) => matcher !== outside).map(printMatcher)
  const braces = parts.length > 0 || outside === null ? `{${parts.sort().join(',')}}` : ''
  return `${outside?.value ?? ''}${braces}`
}

function canStandOutside(matcher: Matcher): boolean {
  return matcher.type === '=' && plainMetric.test(matcher.value) && !reservedMetrics.has(matcher.value.toLowerCase())
}

function printMatcher(matcher: Matcher): string {
  return `${printLabel(matcher.name)}${matcher.type}${quoteGo(matcher.value)}`
}

function printLabel(name: string): string {
  return plainLabel.test(name) ? name : quoteGo(name)
}

function printLabels(names: readonly string[]): string {
  return `(${names.map((name) => (quotedLabels.has(name.toLowerCase()) ? quoteGo(name) : printLabel(name))).join(', ')})`
}

function printModifiers(node: VectorSelector | Subquery): string {
  return `${printAt(node.at)}${printOffset(node.offsetMs)}`
}

function printExtension({ extension }: VectorSelector): string {
  return extension === undefined ? '' : ` ${extension}`
}

function printAt(at: AtModifier): string {
  if (at === null) return ''
  return at.kind === 'time' ? ` @ ${(at.timeMs / 1000).toFixed(3)}` : ` @ ${at.kind}()`
}

function printOffset(offsetMs: number): string {
  return offsetMs === 0 ? '' : ` offset ${formatDuration(offsetMs)}`
}

function printBinary(node: Binary): string {
  const bool = node.returnBool ? ' bool' : ''
  return `${printExpr(node.left)} ${node.op}${bool}${printMatching(node.matching)} ${printExpr(node.right)}`
}

/** What stands between an operator and its right side: ` on (a) group_left (b)`. */
export function printMatching(matching: VectorMatching | null): string {
  if (matching === null) return ''
  const isGrouped = matching.cardinality === 'many-to-one' || matching.cardinality === 'one-to-many'
  if (matching.labels.length === 0 && !matching.on && !isGrouped) return ''
  const on = ` ${matching.on ? 'on' : 'ignoring'} ${printLabels(matching.labels)}`
  return isGrouped ? `${on} group_${matching.cardinality === 'many-to-one' ? 'left' : 'right'} ${printLabels(matching.include)}` : on
}

function printAggregate(node: Aggregate): string {
  const param = node.param === null ? '' : `${printExpr(node.param)}, `
  return `${printAggregateHead(node)}(${param}${printExpr(node.expr)})`
}

/** An aggregation without its arguments: `sum by (a) `. */
export function printAggregateHead(node: Aggregate): string {
  const word = node.without ? 'without' : 'by'
  return `${node.op}${node.without || node.grouping.length > 0 ? ` ${word} ${printLabels(node.grouping)} ` : ''}`
}

/** A subquery without its expression: `[5m:1m] offset 1h`. */
export function printSubqueryTail(node: Subquery): string {
  const step = node.stepMs === null ? '' : formatDuration(node.stepMs)
  return `[${formatDuration(node.rangeMs)}:${step}]${printModifiers(node)}`
}

/** The shortest decimal that reads back as the same number, without exponent; infinities as "+Inf" and "-Inf". */
export function formatDecimal(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (Object.is(value, -0)) return '-0'
  const text = String(value)
  const match = /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text)
  if (!match) return text
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`
  return `${sign}${digits.padEnd(point, '0')}`
}
