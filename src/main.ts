#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const NODE_MAJOR = 24

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  process.stderr.write(
    `tidemark runs on Node ${NODE_MAJOR} or newer; this is Node ${process.versions.node} ("npm start" finds the right one)\n`,
  )
  process.exit(1)
}

// Compiled code is kept between starts; workers use it too. Without a writable folder everything works, a little later.
const packages = join(import.meta.dirname, '..', 'node_modules')
module.enableCompileCache(existsSync(packages) ? join(packages, '.cache', 'tidemark-compile') : join(tmpdir(), 'tidemark-compile'))

const { runCli } = await import('./cli/program.ts')
await runCli(process.argv.slice(2))
