/**
 * `node scripts/build-wasm.mjs`: compiles src/kernels/wasm/*.as (AssemblyScript) and writes the module as base64 into a TypeScript file
 * beside it, so that nothing has to be found on disk at run time. With `--check` it only compares, as a test does.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const folder = fileURLToPath(new URL('../src/kernels/wasm/', import.meta.url))

/** @returns the TypeScript file's text */
async function compileRemoteWrite() {
  const source = readFileSync(join(folder, 'remote-write.as'), 'utf8')
  const sources = { 'remote-write.ts': source, 'layout.ts': await layout() }
  const output = {}
  const flags =
    '--outFile remote-write.wasm -O3 --noAssert --runtime stub --importMemory --noExportMemory --enable simd --enable bulk-memory'
  const { error, stderr } = await asc.main(['remote-write.ts', ...flags.split(' ')], {
    readFile: (name) => sources[name] ?? null,
    writeFile: (name, contents) => {
      output[name] = contents
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`AssemblyScript: ${error.message}\n${stderr}`)
  const text = Buffer.from(output['remote-write.wasm'])
    .toString('base64')
    .replace(/.{1,120}/g, "  '$&' +\n")
  return `// Made by scripts/build-wasm.mjs from remote-write.as; do not edit.\nexport const remoteWriteWasm =\n${text}  ''\n`
}

/** The addresses of the memory's words, in the names of AssemblyScript constants. */
async function layout() {
  const { DOUBLES_AT, ENTRY, ENTRY_WORDS, WORD } = await import('../src/kernels/write-memory.ts')
  const name = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()
  const lines = Object.entries(WORD).map(([key, word]) => `export const ${name(key)}: u32 = ${4 * word}`)
  for (const [key, word] of Object.entries(ENTRY)) lines.push(`export const ENTRY_${name(key)}: u32 = ${4 * word}`)
  lines.push(`export const ENTRY_BYTES: u32 = ${4 * ENTRY_WORDS}`, `export const DOUBLES: u32 = ${DOUBLES_AT}`)
  return lines.join('\n')
}

const file = join(folder, 'remote-write.generated.ts')
const text = await compileRemoteWrite()
if (process.argv.includes('--check')) {
  if (readFileSync(file, 'utf8') !== text) throw new Error(`${file} is not what its source compiles to; run node scripts/build-wasm.mjs`)
} else writeFileSync(file, text)
