import { Labels } from '../../domain/labels.ts'
import { goQuote } from './numbers.ts'

/** These labels with one set, or removed if the value is ''. */
export function withLabel(labels: Labels, name: string, value: string): Labels {
  const pairs: string[] = []
  let placed = value === ''
  for (let i = 0; i < labels.pairs.length; i += 2) {
    const at = labels.pairs[i] as string
    if (!placed && at >= name) {
      pairs.push(name, value)
      placed = true
    }
    if (at !== name) pairs.push(at, labels.pairs[i + 1] as string)
  }
  if (!placed) pairs.push(name, value)
  return Labels.fromSortedPairs(pairs)
}

const plainName = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** As Prometheus prints labels in errors: `{__name__="a", b="c"}`. */
export function labelsText(labels: Labels): string {
  const parts: string[] = []
  for (const [name, value] of labels) parts.push(`${plainName.test(name) ? name : goQuote(name)}=${goQuote(value)}`)
  return `{${parts.join(', ')}}`
}

/** The order of series in answers: by labels, one after the other. */
export function compareLabels(a: Labels, b: Labels): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0
}

/** What a series is grouped or matched by: a string that is equal for equal labels of those that count. */
export function keyFunction(names: readonly string[], keep: boolean): (labels: Labels) => string {
  if (keep) {
    if (names.length === 0) return () => ''
    if (names.length === 1) {
      const only = names[0] as string
      return (labels) => labels.get(only)
    }
    return (labels) => {
      let key = ''
      for (const name of names) key += `${labels.get(name)}\u0000`
      return key
    }
  }
  if (names.length === 0) return (labels) => labels.unnamed.key
  const dropped = new Set(names)
  return (labels) => {
    const pairs = labels.unnamed.pairs
    let key = ''
    for (let i = 0; i < pairs.length; i += 2) {
      if (!dropped.has(pairs[i] as string)) key += `${pairs[i]}\u0000${pairs[i + 1]}\u0000`
    }
    return key
  }
}
