import { type Document, isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'

const FILE_BYTES_MAX = 4 * 2 ** 20
/** What an alias bomb is recognised by; honest files share a handful of anchors. */
const ALIASES_MAX = 1000
const DEPTH_MAX = 64

export type Path = readonly (string | number)[]

/** A YAML file: its content as plain data, and where in the file each part stands. */
export interface YamlFile {
  readonly name: string
  readonly value: unknown
  /** `name:line:column` of a value, or of the nearest thing around it that the file has. `key`: of the key instead of the value. */
  locate(path: Path, part?: 'key' | 'value'): string
}

/** @throws ConfigError naming line and column if the text is not one YAML document, or one that is too large, deep or self-referring. */
export function readYaml(name: string, text: string): YamlFile {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX)
    throw new ConfigError([`${name}: expected at most ${FILE_BYTES_MAX} bytes, met ${Buffer.byteLength(text)}`])
  const lines = new LineCounter()
  const document = parseSafely(name, text, lines)
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return [line, col] as const
  }
  const place = (offset: number) => `${name}:${at(offset).join(':')}`
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.slice(0, 10).map((error) => `${place(error.pos[0])}: not valid YAML: ${firstLine(error.message)}`),
    )
  }
  checkShape(document.contents, place)
  return {
    name,
    value: toPlain(document, name),
    locate(path, part = 'value') {
      return place(find(document, path, part))
    },
  }
}

function parseSafely(name: string, text: string, lineCounter: LineCounter): Document.Parsed {
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, merge: true })
  } catch (error) {
    // The parser descends with the document: only hostile depth exhausts the stack.
    throw new ConfigError([`${name}: not valid YAML: nested too deeply`], { cause: error })
  }
}

function toPlain(document: Document.Parsed, name: string): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    throw new ConfigError([`${name}: aliases expand to too much, or to themselves; at most ${ALIASES_MAX} uses of anchors are allowed`], {
      cause: error,
    })
  }
}

function checkShape(root: unknown, place: (offset: number) => string): void {
  const visit = (node: unknown, depth: number) => {
    if (depth > DEPTH_MAX) throw new ConfigError([`${place(startOf(node))}: expected at most ${DEPTH_MAX} levels, met more`])
    if (isMap(node)) {
      for (const pair of node.items) {
        if (isNode(pair.key) && !isScalar(pair.key))
          throw new ConfigError([`${place(startOf(pair.key))}: expected a plain key, met a collection`])
        visit(pair.value, depth + 1)
      }
    } else if (isSeq(node)) {
      for (const item of node.items) visit(item, depth + 1)
    }
  }
  visit(root, 0)
}

/** The offset at which a path stands, or as much of it as there is. */
function find(document: Document.Parsed, path: Path, part: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = startOf(node)
  for (const [index, step] of path.entries()) {
    const { key, value } = child(resolve(document, node), step)
    if (key === undefined && value === undefined) break
    const isLast = index === path.length - 1
    // An empty value stands nowhere: its key does.
    offset = (isLast && part === 'key') || startOf(value, -1) < 0 ? startOf(key, offset) : startOf(value)
    node = value
  }
  return offset
}

function child(node: unknown, step: string | number): { key?: unknown; value?: unknown } {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
    return pair ? { key: pair.key, value: pair.value } : {}
  }
  if (isSeq(node) && typeof step === 'number') return { value: node.items[step] }
  return {}
}

function resolve(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function startOf(node: unknown, otherwise = 0): number {
  return isNode(node) && node.range ? node.range[0] : otherwise
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
