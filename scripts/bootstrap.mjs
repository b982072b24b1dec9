/**
 * What `npm start`, `npm test`, `npm run build` and `npm run bench` share: install what the lock file says, find Node 24, build what is
 * stale. It runs on Node 20 before anything is installed, so it uses nothing but Node itself.
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname, extname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const NODE_MAJOR = 24

/** An error whose message is all that the user needs; no stack is printed. */
export class SetupError extends Error {}

/** Runs one step of set-up: prints its name, then how long it took. */
export async function step(name, run) {
  const startMs = performance.now()
  process.stdout.write(`- ${name} ... `)
  try {
    const result = await run()
    console.log(`${seconds(startMs)} s`)
    return result
  } catch (error) {
    console.log(`failed after ${seconds(startMs)} s`)
    throw error
  }
}

export function seconds(startMs) {
  return ((performance.now() - startMs) / 1000).toFixed(1)
}

/** Runs a script's `main`: a SetupError is printed as it is. */
export async function runMain(main) {
  try {
    process.exitCode = await main(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error)
    process.exitCode = 1
  }
}

/** Installs if the lock file changed since the last time; returns the path of a Node that can run Tidemark. */
export async function prepare() {
  await ensureDependencies(root)
  return findNode(root)
}

// ---- dependencies

export function lockDigest(folder) {
  return createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .update(`${process.platform} ${process.arch}`)
    .digest('hex')
}

/** Why an installation is wanted, or null if what stands in node_modules is what the lock file says. */
export function installReason(folder) {
  if (!existsSync(join(folder, 'node_modules'))) return 'first start'
  const stamp = join(folder, 'node_modules', '.tidemark-lock')
  const digest = lockDigest(folder)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === digest) return null
  // Someone ran `npm ci` himself: npm's own record of what it installed tells.
  if (installedMatchesLock(folder)) {
    writeFileSync(stamp, `${digest}\n`)
    return null
  }
  return 'package-lock.json changed'
}

function installedMatchesLock(folder) {
  const record = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(record)) return false
  try {
    const installed = JSON.parse(readFileSync(record, 'utf8')).packages
    const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
    for (const [path, entry] of Object.entries(wanted)) {
      if (path === '' || entry.link) continue
      if (!installed[path] ? !entry.optional && !entry.peer : installed[path].version !== entry.version) return false
    }
    return Object.keys(installed).every((path) => wanted[path])
  } catch {
    return false
  }
}

async function ensureDependencies(folder) {
  const reason = installReason(folder)
  if (reason === null) return
  await step(`installing dependencies (npm ci, ${reason})`, async () => {
    const npm = npmCommand()
    for (let attempt = 1; ; attempt++) {
      const { code, output } = await capture(npm.file, [...npm.args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], folder)
      if (code === 0) break
      if (attempt === 2) throw new SetupError(`npm ci failed; see what it says, check the network, and start again:\n${output}`)
    }
    writeFileSync(join(folder, 'node_modules', '.tidemark-lock'), `${lockDigest(folder)}\n`)
  })
}

/** The npm that runs this script, or the one on the path. */
function npmCommand() {
  const cli = process.env.npm_execpath
  return cli && /npm-cli\.c?js$/.test(cli) ? { file: process.execPath, args: [cli] } : { file: 'npm', args: [] }
}

// ---- Node

/** The running Node if it is new enough, else the one that npm installed from the lock file. */
export function findNode(folder, running = { version: process.versions.node, path: process.execPath }) {
  if (Number.parseInt(running.version, 10) >= NODE_MAJOR) return running.path
  const bundled = join(folder, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(bundled) && spawnSync(bundled, ['--version']).status === 0) return bundled
  throw new SetupError(
    `Tidemark runs on Node ${NODE_MAJOR} or newer. This is Node ${running.version}, and no ${bundled} that runs here is installed ` +
      `(npm brings one for Linux on x64 and arm64, with glibc).\nInstall Node ${NODE_MAJOR}, for example with "nvm install ${NODE_MAJOR}", and start again.`,
  )
}

// ---- build

/** Every file below a folder, sorted, relative to the root; nothing if it does not exist. */
export function filesBelow(folder, path) {
  const start = join(folder, path)
  if (!existsSync(start)) return []
  if (statSync(start).isFile()) return [path]
  return readdirSync(start, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && !`${entry.parentPath}${sep}`.includes(`${sep}node_modules${sep}`))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
}

/** Of names and contents: touching a file rebuilds nothing, deleting one does. */
export function digestOf(folder, paths) {
  const hash = createHash('sha256')
  for (const file of paths.flatMap((path) => filesBelow(folder, path))) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(folder, file)))
      .update('\0')
  }
  return hash.digest('hex')
}

const hasConsole = (folder) =>
  existsSync(join(folder, 'console')) && readdirSync(join(folder, 'console')).some((name) => name.startsWith('vite.config.'))

/** The two things that are built: what they are made of and how. */
const products = [
  { name: 'server', from: ['src', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'], wanted: () => true, build: buildServer },
  { name: 'console', from: ['console', 'package-lock.json'], wanted: hasConsole, build: buildConsole },
]

/** Builds what is stale (`force`: everything) into dist/. */
export async function build(node, { force = false } = {}) {
  for (const product of products) {
    if (!product.wanted(root)) continue
    const stamp = join(root, 'dist', `.built-${product.name}`)
    const digest = digestOf(root, product.from)
    if (!force && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) continue
    await step(`building the ${product.name}`, async () => {
      rmSync(stamp, { force: true })
      await product.build(node)
      mkdirSync(dirname(stamp), { recursive: true })
      writeFileSync(stamp, digest)
    })
  }
}

async function buildServer(node) {
  const { code, output } = await capture(node, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], root)
  if (code !== 0) throw new SetupError(`the TypeScript compiler found errors:\n${output}`)
  const made = new Set()
  for (const file of filesBelow(root, 'src')) {
    const target = join('dist', relative('src', file))
    if (extname(file) === '.ts') {
      made.add(target.replace(/\.ts$/, '.js'))
    } else {
      // What is not compiled (a schema, a WASM module) is read from beside the code that uses it.
      made.add(target)
      mkdirSync(join(root, dirname(target)), { recursive: true })
      await copyFile(join(root, file), join(root, target))
    }
  }
  // What was built from a source that is gone must not be found by an import. A running server keeps the files it may still load.
  for (const file of filesBelow(root, 'dist')) {
    if (!made.has(file) && !file.startsWith(join('dist', 'console')) && !file.startsWith(join('dist', '.built-'))) rmSync(join(root, file))
  }
}

async function buildConsole(node) {
  const args = [
    join(root, 'node_modules/vite/bin/vite.js'),
    'build',
    'console',
    '--outDir',
    join(root, 'dist/console'),
    '--emptyOutDir',
    '--logLevel',
    'warn',
  ]
  const { code, output } = await capture(node, args, root)
  if (code !== 0) throw new SetupError(`the page could not be built:\n${output}`)
}

// ---- processes

/** Runs a command to its end; resolves with its exit code and all that it printed. */
export function capture(file, args, cwd, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stdout.on('data', (chunk) => {
      output += chunk
    })
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    child.on('error', (error) => reject(new SetupError(`${file} can't be run: ${error.message}`)))
    child.on('close', (code) => resolve({ code: code ?? 1, output: output.trim() }))
  })
}

/** Runs a command on this terminal, passes signals on to it, and resolves with its exit code. */
export function hand(file, args, { env = process.env, signals = [] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: root, env, stdio: 'inherit' })
    const pass = (signal) => child.kill(signal)
    for (const signal of signals) process.on(signal, pass)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      for (const name of signals) process.off(name, pass)
      // A command that died of a signal is told apart from one that failed, the way a shell does it.
      resolve(code ?? 128 + (signalNumbers[signal] ?? 1))
    })
  })
}

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 }
