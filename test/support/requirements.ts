import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from '@jest/globals'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Programs that some tests need, by the names they go by. */
const programs = {
  chromium: ['chromium', 'chromium-browser', 'google-chrome', 'chrome'],
  prometheus: ['prometheus'],
  promtool: ['promtool'],
  node_exporter: ['node_exporter'],
  strace: ['strace'],
  'docker-compose': ['docker-compose'],
  'python-kafka': ['python-kafka'],
} as const

export type Requirement = keyof typeof programs

/** The path of a program: in TIDEMARK_TOOLS, in .cache/bin of the project (where `.ci/run` puts them), on PATH; else null. */
export function toolPath(requirement: Requirement): string | null {
  const folders = [process.env.TIDEMARK_TOOLS ?? '', join(root, '.cache', 'bin'), ...(process.env.PATH ?? '').split(delimiter)]
  for (const name of programs[requirement]) {
    for (const folder of folders) {
      if (folder !== '' && isExecutable(join(folder, name))) return join(folder, name)
    }
  }
  return null
}

function isExecutable(path: string): boolean {
  if (!existsSync(path)) return false
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether whatever is missing is a failure instead of a skip. */
export const requireAll = process.env.TIDEMARK_REQUIRE_ALL === '1'

/**
 * A suite that needs a program: it runs where the program is and is skipped, saying why, where it is not.
 * With TIDEMARK_REQUIRE_ALL=1 a missing program is an error.
 * @param reason what the program is needed for
 * @param body gets the program's path
 */
export function describeIf(requirement: Requirement, reason: string, name: string, body: (path: string) => void): void {
  const path = toolPath(requirement)
  if (path !== null) {
    describe(name, () => body(path))
    return
  }
  if (requireAll) throw new Error(`${name}: ${requirement} is not installed, and TIDEMARK_REQUIRE_ALL=1 demands it (${reason})`)
  // The body still declares its tests, so that the report counts and names what did not run.
  describe.skip(`${name} [skipped: ${requirement} is not installed; ${reason}]`, () => body(`/absent/${requirement}`))
}
