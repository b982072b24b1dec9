import { Labels } from '../../domain/labels.ts'
import { keyFunction } from './labels.ts'

/** Which group each row of a table belongs to, and the groups' labels, in order of their first row. */
export interface Groups {
  readonly of: Int32Array
  readonly labels: Labels[]
}

export interface GroupingRule {
  /** `by`: only these labels; `without`: all others but the metric's name. */
  readonly names: readonly string[]
  readonly without: boolean
}

export function groupLabels(labels: Labels, { names, without }: GroupingRule): Labels {
  const set = new Set(names)
  return without
    ? names.length === 0
      ? labels.unnamed
      : labels.unnamed.without(set)
    : names.length === 0
      ? Labels.EMPTY
      : labels.only(set)
}

export function groupRows(labels: readonly Labels[], rule: GroupingRule): Groups {
  const of = new Int32Array(labels.length)
  const groups: Labels[] = []
  if (!rule.without && rule.names.length === 0) {
    if (labels.length > 0) groups.push(Labels.EMPTY)
    return { of, labels: groups }
  }
  const keyOf = keyFunction(rule.names, !rule.without)
  const byKey = new Map<string, number>()
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row] as Labels
    const key = keyOf(label)
    let group = byKey.get(key)
    if (group === undefined) {
      group = groups.length
      byKey.set(key, group)
      groups.push(groupLabels(label, rule))
    }
    of[row] = group
  }
  return { of, labels: groups }
}
