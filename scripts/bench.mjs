/** `npm run bench [-- name ...]`: runs bench/*.bench.ts, or those whose names contain one of the words. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { build, hand, prepare, root, runMain, SetupError } from './bootstrap.mjs'

await runMain(async (args) => {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const flags = args.filter((arg) => arg.startsWith('-'))
  const node = await prepare()
  await build(node)
  const files = readdirSync(join(root, 'bench'))
    .filter((name) => name.endsWith('.bench.ts') && (words.length === 0 || words.some((word) => name.includes(word))))
    .sort()
  if (files.length === 0) throw new SetupError(`no bench/*.bench.ts matches ${words.join(', ')}`)
  let failed = 0
  for (const file of files) {
    console.log(`\n# ${file}`)
    const code = await hand(node, ['--expose-gc', '--disable-warning=ExperimentalWarning', join('bench', file), ...flags], {
      signals: ['SIGINT', 'SIGTERM'],
    })
    if (code > 128) return code
    if (code !== 0) failed++
  }
  return failed === 0 ? 0 : 1
})
