import { existsSync } from 'node:fs'
import { beforeAll, describe } from '@jest/globals'
import { addressesOf, defaultRun, type EngineAddresses, type EngineName, up, whyNot } from '../../scripts/engines/index.mjs'
import { requireAll } from './requirements.ts'

/** A cold start fetches and compiles; other test files may be waiting for the same. */
const UP_TIMEOUT_MS = 15 * 60_000

/**
 * A suite that needs real engines. It runs on the default instance (`npm run engines -- up`), which is brought up if it is not, where this
 * machine can do that; it is skipped, saying why, where it can't. With TIDEMARK_REQUIRE_ALL=1 that is an error.
 * Others use the same instance at the same time: names of topics, keyspaces and buckets are random, and what is made is removed.
 * @param reason what the engines are needed for
 * @param body gets the addresses, which are known from `beforeAll` on: read them in tests and hooks, not while tests are declared
 */
export function describeWithEngines(
  names: readonly EngineName[],
  reason: string,
  title: string,
  body: (addresses: EngineAddresses) => void,
): void {
  const problems = names.flatMap((name) => whyNot(name) ?? [])
  if (problems.length === 0) {
    describe(title, () => {
      let found: Partial<EngineAddresses> = {}
      beforeAll(async () => {
        found = await bringUp(names)
      }, UP_TIMEOUT_MS)
      body(lazily(() => found))
    })
    return
  }
  if (requireAll) throw new Error(`${title}: ${problems.join('; ')}, and TIDEMARK_REQUIRE_ALL=1 demands it (${reason})`)
  // The body still declares its tests, so that the report counts and names what did not run.
  describe.skip(`${title} [skipped: ${problems.join('; ')}; ${reason}]`, () => body(lazily(() => ({}))))
}

async function bringUp(names: readonly EngineName[]): Promise<Partial<EngineAddresses>> {
  // Set by `npm test` when it could not start them: not every file has to wait for the same failure.
  const failure = process.env.TIDEMARK_ENGINES_FAILED
  const ready = existsSync(defaultRun()) ? await addressesOf() : {}
  if (names.every((name) => ready[name] !== undefined)) return ready
  if (failure !== undefined && failure !== '') throw new Error(`the engines could not be started: ${failure}`)
  return (await up({ names })).addresses
}

function lazily(found: () => Partial<EngineAddresses>): EngineAddresses {
  const get = <N extends EngineName>(name: N): EngineAddresses[N] => {
    const address = found()[name]
    if (address === undefined) throw new Error(`the address of ${name} is known from beforeAll on, if the suite names it among its engines`)
    return address as EngineAddresses[N]
  }
  return {
    get kafka() {
      return get('kafka')
    },
    get cassandra() {
      return get('cassandra')
    },
    get s3() {
      return get('s3')
    },
  }
}
