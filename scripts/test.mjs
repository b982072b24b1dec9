/**
 * `npm test [unit] [-- jest arguments]`: set-up, lint, types, build, jest; every step runs even if one before it failed, so that one look
 * shows all. With TIDEMARK_REQUIRE_ALL=1 a skipped test is a failure. The last line is `N passed, N failed`.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, capture, hand, prepare, root, runMain, SetupError, step } from './bootstrap.mjs'

/** What `npm run test:unit` leaves out: whatever starts servers, browsers or other programs. */
const SLOW = ['\\.int\\.test\\.ts$', '/test/scenarios/', '/test/simulation/', '/test/console/', '/test/faults/']

/** Adds up jest's report and the steps that failed; says what was skipped and why that matters. */
export function summarize(report, failedSteps, requireAll) {
  const skipped = []
  let broken = 0
  for (const suite of report?.testResults ?? []) {
    if (suite.status === 'failed' && suite.assertionResults.length === 0) broken++
    for (const test of suite.assertionResults) {
      if (test.status === 'pending' || test.status === 'todo' || test.status === 'disabled') skipped.push(test.fullName)
    }
  }
  const passed = report?.numPassedTests ?? 0
  const failed = (report?.numFailedTests ?? 0) + broken + failedSteps.length + (report ? 0 : 1) + (requireAll ? skipped.length : 0)
  const lines = []
  if (failedSteps.length > 0) lines.push(`failed: ${failedSteps.join(', ')}`)
  if (!report) lines.push('failed: jest gave no report')
  if (broken > 0) lines.push(`failed: ${broken} test ${broken === 1 ? 'file that could' : 'files that could'} not be run`)
  if (skipped.length > 0) {
    lines.push(requireAll ? 'skipped, though TIDEMARK_REQUIRE_ALL=1 forbids it:' : 'skipped here (.ci/run installs what they need):')
    for (const name of skipped) lines.push(`  ${name}`)
  }
  lines.push(`${passed} passed, ${failed} failed${skipped.length > 0 && !requireAll ? `, ${skipped.length} skipped` : ''}`)
  return { lines, ok: failed === 0 }
}

async function main(args) {
  const unit = args[0] === 'unit'
  const jestArgs = (unit ? args.slice(1) : args).filter((arg) => arg !== '--')
  const node = await prepare()
  const failedSteps = []
  const check = async (name, run) => {
    try {
      await step(name, run)
    } catch (error) {
      if (!(error instanceof SetupError)) throw error
      console.log(`${error.message}\n`)
      failedSteps.push(name)
    }
  }
  const tool = async (path, toolArgs) => {
    const { code, output } = await capture(node, [join(root, 'node_modules', path), ...toolArgs], root)
    if (code !== 0) throw new SetupError(output)
  }
  await check('lint', () => tool('@biomejs/biome/bin/biome', ['check', '.']))
  await check('types', () => tool('typescript/bin/tsc', ['--noEmit', '-p', 'tsconfig.json']))
  await check('build', () => build(node))
  const workers = [`--maxWorkers=${Math.max(2, availableParallelism() - 1)}`, '--passWithNoTests']
  const without = unit ? [`--testPathIgnorePatterns=${SLOW.join('|')}`] : []
  const report = await runJest(node, [...workers, ...without, ...jestArgs])
  const { lines, ok } = summarize(report, failedSteps, process.env.TIDEMARK_REQUIRE_ALL === '1')
  console.log(`\n${lines.join('\n')}`)
  return ok ? 0 : 1
}

/** Runs jest with these arguments. @returns its report, null when it gave none */
export async function runJest(node, jestArgs) {
  const reportFile = join(root, '.cache', `jest-${process.pid}.json`)
  mkdirSync(join(root, '.cache'), { recursive: true })
  await hand(
    node,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      join(root, 'node_modules/jest/bin/jest.js'),
      '--json',
      `--outputFile=${reportFile}`,
      ...jestArgs,
    ],
    { signals: ['SIGINT', 'SIGTERM'] },
  )
  if (!existsSync(reportFile)) return null
  const report = JSON.parse(readFileSync(reportFile, 'utf8'))
  rmSync(reportFile)
  return report
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await runMain(main)
