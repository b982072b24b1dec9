/** `npm start [-- flags of tidemark serve]`: everything from a fresh clone to a running server. */
import { build, hand, prepare, runMain } from './bootstrap.mjs'

await runMain(async (args) => {
  const node = await prepare()
  await build(node)
  // A configuration or another command line of one's own replaces the quickstart's.
  const own = args.some((arg) => arg === '--config' || arg.startsWith('--config='))
  const serve = ['dist/main.js', 'serve', ...(own ? [] : ['--config', 'quickstart.yaml']), ...args]
  return hand(node, ['--disable-warning=ExperimentalWarning', ...serve], { signals: ['SIGINT', 'SIGTERM', 'SIGHUP'] })
})
