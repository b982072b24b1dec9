import { Labels, METRIC_NAME } from '../domain/labels.ts'
import type { RejectReason } from '../domain/ports/append-samples.ts'

export interface LabelLimits {
  readonly labelsPerSeriesMax: number
  readonly labelNameBytesMax: number
  readonly labelValueBytesMax: number
}

export interface Rejection {
  readonly reason: RejectReason
  readonly message: string
}

/**
 * The rules of a label set, whoever sends it: sorted if it is not, empty values dropped, names unique and not empty, a metric name, sizes
 * within limits. Names may be any UTF-8, as in Prometheus 3. `pairs` are names and values in turn.
 */
export function checkLabels(pairs: readonly string[], limits: LabelLimits): Labels | Rejection {
  const count = pairs.length / 2
  if (count === 0) return { reason: 'no-labels', message: 'the series has no labels' }
  if (count > limits.labelsPerSeriesMax) {
    return { reason: 'too-many-labels', message: `${count} labels, at most ${limits.labelsPerSeriesMax} are allowed` }
  }
  let sorted = true
  let empty = false
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]
    const value = pairs[i + 1]
    if (name === '') return { reason: 'invalid-label-name', message: 'a label has an empty name' }
    if (!fits(name, limits.labelNameBytesMax)) {
      return { reason: 'label-name-too-long', message: `label name ${quote(name)} is over ${limits.labelNameBytesMax} bytes` }
    }
    if (!fits(value, limits.labelValueBytesMax)) {
      return { reason: 'label-value-too-long', message: `value of label ${quote(name)} is over ${limits.labelValueBytesMax} bytes` }
    }
    if (i > 0 && name <= pairs[i - 2]) sorted = false
    if (value === '') empty = true
  }
  const ordered = sorted ? pairs : sortPairs(pairs)
  if (!sorted) {
    for (let i = 2; i < ordered.length; i += 2) {
      if (ordered[i] === ordered[i - 2]) return { reason: 'duplicate-label', message: `label ${quote(ordered[i])} stands twice` }
    }
  }
  const labels = Labels.fromSortedPairs(empty ? dropEmpty(ordered) : ordered)
  if (labels.get(METRIC_NAME) === '') return { reason: 'no-metric-name', message: `the series has no ${METRIC_NAME}` }
  return labels
}

/** The same for labels that come as `Labels`: their strings may be anything that JavaScript holds. */
export function checkKnownLabels(labels: Labels, limits: LabelLimits): Labels | Rejection {
  for (const text of labels.pairs) {
    if (!text.isWellFormed()) return { reason: 'invalid-utf8', message: `${quote(text)} is not well-formed Unicode` }
  }
  return checkLabels(labels.pairs, limits)
}

function fits(text: string, bytesMax: number): boolean {
  if (text.length > bytesMax) return false
  return 3 * text.length <= bytesMax || Buffer.byteLength(text) <= bytesMax
}

function sortPairs(pairs: readonly string[]): string[] {
  const order = Array.from({ length: pairs.length / 2 }, (_, i) => 2 * i)
  order.sort((a, b) => (pairs[a] < pairs[b] ? -1 : pairs[a] > pairs[b] ? 1 : 0))
  return order.flatMap((i) => [pairs[i], pairs[i + 1]])
}

function dropEmpty(pairs: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < pairs.length; i += 2) if (pairs[i + 1] !== '') kept.push(pairs[i], pairs[i + 1])
  return kept
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text)
}
