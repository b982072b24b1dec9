import { createHash } from 'node:crypto'
import { RE2JS } from 're2js'
import { Labels } from '../../domain/labels.ts'

export type RelabelAction =
  | 'replace'
  | 'keep'
  | 'drop'
  | 'keepequal'
  | 'dropequal'
  | 'hashmod'
  | 'labelmap'
  | 'labeldrop'
  | 'labelkeep'
  | 'lowercase'
  | 'uppercase'

/** One relabelling step, as Prometheus documents it; defaults filled in. */
export interface RelabelConfig {
  readonly action: RelabelAction
  readonly sourceLabels: readonly string[]
  readonly separator: string
  readonly regex: string
  readonly modulus: number
  readonly targetLabel: string
  readonly replacement: string
}

/** A compiled step: changes the labels in place. @returns false when the target or series is dropped */
export type RelabelStep = (labels: Map<string, string>) => boolean

/** Compiles steps. @throws RE2JSSyntaxException for a bad regular expression (checked when the configuration is read) */
export function compileRelabel(configs: readonly RelabelConfig[]): readonly RelabelStep[] {
  return configs.map(compileStep)
}

/** Applies steps in order. @returns null when they drop it */
export function relabel(labels: Labels, steps: readonly RelabelStep[]): Labels | null {
  if (steps.length === 0) return labels
  const map = new Map(labels)
  for (const step of steps) if (!step(map)) return null
  return Labels.fromEntries(map)
}

function compileStep(config: RelabelConfig): RelabelStep {
  const regex = compileRelabelRegex(config.regex)
  const source = (labels: Map<string, string>) => config.sourceLabels.map((name) => labels.get(name) ?? '').join(config.separator)
  const set = (labels: Map<string, string>, name: string, value: string) => {
    if (value === '') labels.delete(name)
    else labels.set(name, value)
  }
  switch (config.action) {
    case 'keep':
      return (labels) => regex.matches(source(labels))
    case 'drop':
      return (labels) => !regex.matches(source(labels))
    case 'keepequal':
      return (labels) => (labels.get(config.targetLabel) ?? '') === source(labels)
    case 'dropequal':
      return (labels) => (labels.get(config.targetLabel) ?? '') !== source(labels)
    case 'replace':
      return (labels) => {
        const matcher = regex.matcher(source(labels))
        if (!matcher.matches()) return true
        const target = expand(config.targetLabel, matcher)
        if (target !== '') set(labels, target, expand(config.replacement, matcher))
        return true
      }
    case 'lowercase':
    case 'uppercase':
      return (labels) => {
        const value = source(labels)
        set(labels, config.targetLabel, config.action === 'lowercase' ? value.toLowerCase() : value.toUpperCase())
        return true
      }
    case 'hashmod':
      return (labels) => {
        // As Prometheus: the last 8 bytes of the MD5, as a big-endian number.
        const hash = createHash('md5').update(source(labels)).digest().readBigUInt64BE(8)
        labels.set(config.targetLabel, (hash % BigInt(config.modulus)).toString())
        return true
      }
    case 'labelmap':
      return (labels) => {
        for (const [name, value] of [...labels]) {
          const matcher = regex.matcher(name)
          if (matcher.matches()) set(labels, expand(config.replacement, matcher), value)
        }
        return true
      }
    case 'labeldrop':
    case 'labelkeep':
      return (labels) => {
        for (const name of [...labels.keys()]) if (regex.matches(name) === (config.action === 'labeldrop')) labels.delete(name)
        return true
      }
  }
}

export function compileRelabelRegex(regex: string): RE2JS {
  return RE2JS.compile(`^(?s:${regex})$`)
}

/** Replaces $1, ${1}, $name, ${name}, $$ as Go's Regexp.Expand does; what does not exist becomes ''. */
function expand(template: string, matcher: ReturnType<RE2JS['matcher']>): string {
  if (!template.includes('$')) return template
  return template.replace(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced: string | undefined, plain: string | undefined) => {
    if (whole === '$$') return '$'
    const group = braced ?? plain ?? ''
    try {
      return (/^\d+$/.test(group) ? matcher.group(Number(group)) : matcher.group(group)) ?? ''
    } catch {
      // No such group.
      return ''
    }
  })
}
