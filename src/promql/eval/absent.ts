import { Labels } from '../../domain/labels.ts'
import type { Expr } from '../ast.ts'
import { withLabel } from './labels.ts'

const metadata: ReadonlySet<string> = new Set(['__name__', '__type__', '__unit__'])

/** The labels that an absent series would surely have: those that its selector asks for by `=`, each once. */
export function absentLabels(expr: Expr): Labels {
  const selector = expr.kind === 'matrix' ? expr.selector : expr
  if (selector.kind !== 'selector') return Labels.EMPTY
  let labels = Labels.EMPTY
  const seen = new Set<string>()
  for (const { name, type, value } of selector.matchers) {
    if (metadata.has(name)) continue
    const first = type === '=' && !seen.has(name)
    labels = withLabel(labels, name, first ? value : '')
    if (first) seen.add(name)
  }
  return labels
}
