import { RE2JS } from 're2js'
import type { Labels } from '../../domain/labels.ts'
import { PromqlExecutionError } from '../errors.ts'
import { withLabel } from './labels.ts'
import { relabel, type Table } from './table.ts'

/** label_replace: where `source` matches `pattern` as a whole, `target` becomes `replacement` with its groups filled in. */
export function labelReplace(table: Table, target: string, replacement: string, source: string, pattern: string): Table {
  const regex = compile(pattern)
  if (!isLabelName(target)) throw new PromqlExecutionError(`invalid destination label name in label_replace(): ${target}`)
  const parts = parseTemplate(replacement)
  const names = regex.namedGroups()
  const replaced = new Map<string, string | null>()
  const labels = table.labels.map((before) => {
    const value = before.get(source)
    let after = replaced.get(value)
    if (after === undefined) {
      after = expand(regex, value, parts, names)
      replaced.set(value, after)
    }
    return after === null ? before : withLabel(before, target, after)
  })
  return relabel(table, labels)
}

/** Any text but none; the replacement character is what is left of bytes that are no UTF-8. */
export function isLabelName(name: string): boolean {
  return name !== '' && !name.includes('\ufffd')
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(`^(?s:${pattern})$`)
  } catch {
    throw new PromqlExecutionError(`invalid regular expression in label_replace(): ${pattern}`)
  }
}

/** Either literal text or the number or name of a group. */
type TemplatePart = { readonly text: string } | { readonly group: string }

/** `$1`, `${1}`, `$name`, `${name}`, `$$`; a `$` that begins none of them stands for itself. */
function parseTemplate(template: string): TemplatePart[] {
  const parts: TemplatePart[] = []
  let rest = template
  while (rest !== '') {
    const dollar = rest.indexOf('$')
    if (dollar < 0) {
      parts.push({ text: rest })
      break
    }
    if (dollar > 0) parts.push({ text: rest.slice(0, dollar) })
    rest = rest.slice(dollar)
    const group = /^\$(?:([\p{L}\p{Nd}_]+)|\{([\p{L}\p{Nd}_]+)\})/u.exec(rest)
    if (group !== null) {
      parts.push({ group: (group[1] ?? group[2]) as string })
      rest = rest.slice(group[0].length)
    } else {
      parts.push({ text: '$' })
      rest = rest.slice(rest.startsWith('$$') ? 2 : 1)
    }
  }
  return parts
}

function expand(regex: RE2JS, value: string, parts: readonly TemplatePart[], names: Readonly<Record<string, number>>): string | null {
  const matcher = regex.matcher(value)
  if (!matcher.find()) return null
  const groups = matcher.groupCount()
  let out = ''
  for (const part of parts) {
    if ('text' in part) out += part.text
    else {
      const index = /^\d+$/.test(part.group) ? Number(part.group) : Object.hasOwn(names, part.group) ? names[part.group] : undefined
      if (index !== undefined && index <= groups) out += matcher.group(index) ?? ''
    }
  }
  return out
}

/** label_join: `target` becomes the values of `sources`, joined. */
export function labelJoin(table: Table, target: string, separator: string, sources: readonly string[]): Table {
  const wrong = sources.find((source) => !isLabelName(source))
  if (wrong !== undefined) throw new PromqlExecutionError(`invalid source label name in label_join(): ${wrong}`)
  if (!isLabelName(target)) throw new PromqlExecutionError(`invalid destination label name in label_join(): ${target}`)
  const join = (labels: Labels) => sources.map((source) => labels.get(source)).join(separator)
  return relabel(
    table,
    table.labels.map((labels) => withLabel(labels, target, join(labels))),
  )
}
