/** `npm run tidemark -- COMMAND [flags]`: any command of Tidemark, installed and built first where that is needed. */
import { build, hand, prepare, runMain } from './bootstrap.mjs'

await runMain(async (args) => {
  const node = await prepare()
  await build(node)
  return hand(node, ['--disable-warning=ExperimentalWarning', 'dist/main.js', ...args], { signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] })
})
