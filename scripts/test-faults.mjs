/**
 * `npm run test:faults [-- jest arguments]`: processes, brokers and stores of a cluster are killed and stopped, on real engines
 * (test/faults/cluster). Says for each fault how many samples were acknowledged, answered, doubled and missing. With TIDEMARK_FAULTS_LONG=1
 * the store stays away as long as it might in earnest. The last line is `N passed, N failed`.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { prepare, root, runMain } from './bootstrap.mjs'
import { runJest, summarize } from './test.mjs'

const TABLE = join(root, '.cache', 'faults-cluster.jsonl')

async function main(args) {
  const jestArgs = args.filter((arg) => arg !== '--')
  const node = await prepare()
  rmSync(TABLE, { force: true })
  const report = await runJest(node, ['--runInBand', 'test/faults/cluster', ...jestArgs])
  console.log(`\n${table().join('\n')}`)
  const { lines, ok } = summarize(report, [], process.env.TIDEMARK_REQUIRE_ALL === '1')
  console.log(`\n${lines.join('\n')}`)
  return ok ? 0 : 1
}

/** Of the faults that were survived, in Markdown. */
function table() {
  if (!existsSync(TABLE)) return []
  const rows = readFileSync(TABLE, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  return [
    '| fault | acknowledged | answered | doubled | missing | lost to retention, told | refused or unanswered pushes | recovered in |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows.map(
      ({ fault, acknowledged, answered, doubled, missing, lost, failures, seconds }) =>
        `| ${[fault, acknowledged, answered, doubled, missing, lost, failures, `${seconds} s`].join(' | ')} |`,
    ),
  ]
}

await runMain(main)
