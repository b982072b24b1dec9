import { glob, readFile, stat } from 'node:fs/promises'
import { parse } from 'yaml'
import { z } from 'zod'
import type { TargetGroup } from './targets.ts'

const fileGroups = z.array(
  z.strictObject({
    targets: z.array(z.string().min(1)),
    labels: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).default({}),
  }),
)

/** Targets listed in JSON or YAML files, in Prometheus' file_sd form. A file that can't be read keeps what it last said. */
export class FileDiscovery {
  readonly #patterns: readonly string[]
  readonly #files = new Map<string, { stamp: string; groups: TargetGroup[] }>()

  constructor(patterns: readonly string[]) {
    this.#patterns = patterns
  }

  /** Reads files that have changed. @returns all groups, and what is wrong with files */
  async read(): Promise<{ groups: TargetGroup[]; errors: string[] }> {
    const errors: string[] = []
    const present = new Set<string>()
    for (const pattern of this.#patterns) {
      for await (const file of glob(pattern)) {
        present.add(file)
        try {
          await this.#readFile(file)
        } catch (error) {
          errors.push(`${file}: ${(error as Error).message}`)
        }
      }
    }
    for (const file of this.#files.keys()) if (!present.has(file)) this.#files.delete(file)
    return { groups: [...this.#files.values()].flatMap(({ groups }) => groups), errors }
  }

  async #readFile(file: string): Promise<void> {
    const { mtimeMs, size } = await stat(file)
    const stamp = `${mtimeMs}/${size}`
    if (this.#files.get(file)?.stamp === stamp) return
    const text = await readFile(file, 'utf8')
    // YAML reads JSON as well. Few aliases: a short file must not unfold to a huge one.
    const parsed = fileGroups.safeParse(parse(text, { maxAliasCount: 100 }) ?? [])
    if (!parsed.success) {
      const [issue] = parsed.error.issues
      throw new Error(`${issue.path.join('.')}: ${issue.message}`)
    }
    const groups = parsed.data.map(({ targets, labels }) => ({ targets, labels: { ...labels, __meta_filepath: file } }))
    this.#files.set(file, { stamp, groups })
  }
}
