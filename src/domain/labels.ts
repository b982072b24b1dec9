export const METRIC_NAME = '__name__'

const METADATA_NAMES: ReadonlySet<string> = new Set([METRIC_NAME, '__type__', '__unit__'])

/**
 * The labels of one series: name and value pairs, sorted by name (by UTF-16 code unit), no empty values, names unique.
 * Immutable. Two equal label sets have equal `key`s, and only those.
 */
export class Labels {
  /** name, value, name, value, ... sorted by name. */
  readonly pairs: readonly string[]
  #key: string | undefined
  #unnamed: Labels | undefined

  private constructor(pairs: readonly string[]) {
    this.pairs = pairs
  }

  static readonly EMPTY = new Labels([])

  /** From pairs that are already sorted, unique and free of empty values (not checked). */
  static fromSortedPairs(pairs: readonly string[]): Labels {
    return pairs.length === 0 ? Labels.EMPTY : new Labels(pairs)
  }

  /** Sorts by name and drops empty values; of a repeated name the last wins. */
  static fromObject(object: Readonly<Record<string, string>>): Labels {
    return Labels.fromEntries(Object.entries(object))
  }

  /** Sorts by name and drops empty values; of a repeated name the last wins. */
  static fromEntries(entries: Iterable<readonly [string, string]>): Labels {
    const map = new Map(entries)
    const pairs: string[] = []
    for (const name of [...map.keys()].sort()) {
      const value = map.get(name) as string
      if (value !== '') pairs.push(name, value)
    }
    return Labels.fromSortedPairs(pairs)
  }

  /** The number of labels. */
  get size(): number {
    return this.pairs.length / 2
  }

  /** The metric's name, '' if there is none. */
  get metric(): string {
    return this.get(METRIC_NAME)
  }

  /** The value of a label, '' if there is none. */
  get(name: string): string {
    const pairs = this.pairs
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1] as string
    return ''
  }

  has(name: string): boolean {
    return this.get(name) !== ''
  }

  /** These labels without `__name__`, `__type__` and `__unit__`: what is left of a series once it is no longer the metric itself. Kept. */
  get unnamed(): Labels {
    if (this.#unnamed === undefined) {
      const named = this.has(METRIC_NAME) || this.has('__type__') || this.has('__unit__')
      this.#unnamed = named ? this.without(METADATA_NAMES) : this
    }
    return this.#unnamed
  }

  /** These labels without those named. */
  without(names: ReadonlySet<string>): Labels {
    const pairs: string[] = []
    for (let i = 0; i < this.pairs.length; i += 2) {
      if (!names.has(this.pairs[i] as string)) pairs.push(this.pairs[i] as string, this.pairs[i + 1] as string)
    }
    return Labels.fromSortedPairs(pairs)
  }

  /** Of these labels only those named. */
  only(names: ReadonlySet<string>): Labels {
    const pairs: string[] = []
    for (let i = 0; i < this.pairs.length; i += 2) {
      if (names.has(this.pairs[i] as string)) pairs.push(this.pairs[i] as string, this.pairs[i + 1] as string)
    }
    return Labels.fromSortedPairs(pairs)
  }

  /** A string that stands for this label set in a Map; not for people. */
  get key(): string {
    this.#key ??= this.pairs.join('\u0000')
    return this.#key
  }

  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (let i = 0; i < this.pairs.length; i += 2) yield [this.pairs[i] as string, this.pairs[i + 1] as string]
  }

  toObject(): Record<string, string> {
    return Object.fromEntries(this)
  }

  /** As Prometheus prints a series: `name{a="b"}`. */
  toString(): string {
    const parts: string[] = []
    for (const [name, value] of this) if (name !== METRIC_NAME) parts.push(`${name}=${JSON.stringify(value)}`)
    return parts.length > 0 || this.metric === '' ? `${this.metric}{${parts.join(', ')}}` : this.metric
  }
}

/** The order of series in answers: by name and value of one label after the other, then the shorter first. */
export function compareLabels(a: Labels, b: Labels): number {
  const length = Math.min(a.pairs.length, b.pairs.length)
  for (let i = 0; i < length; i++) {
    if (a.pairs[i] !== b.pairs[i]) return a.pairs[i] < b.pairs[i] ? -1 : 1
  }
  return a.pairs.length - b.pairs.length
}
