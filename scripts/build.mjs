/** `npm run build [-- --force]`: dist/ from src/ and console/. */
import { build, prepare, runMain } from './bootstrap.mjs'

await runMain(async (args) => {
  await build(await prepare(), { force: args.includes('--force') })
  return 0
})
