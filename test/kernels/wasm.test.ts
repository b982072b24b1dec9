import { spawnSync } from 'node:child_process'
import { expect, it } from '@jest/globals'
import fc from 'fast-check'
import { typescriptKernel, wasmKernel } from '../../src/kernels/remote-write-kernel.ts'
import { SnappyError } from '../../src/kernels/snappy.ts'
import { WriteMemory } from '../../src/kernels/write-memory.ts'
import { snappyCompress, varint } from '../ingest/write-request.ts'

it('the WebAssembly module is what its source compiles to', () => {
  const { status, stderr } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/build-wasm.mjs', '--check'], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
}, 60_000)

it('both twins decode any snappy block to the same bytes, or refuse it with the same message', () => {
  const options = { partitions: 1, inputBytesMax: 4096, plainBytesMax: 65536, entriesMax: 10, blockBytesMax: 1000, columnCapacity: 10 }
  const memory = new WriteMemory({ ...options, dueCapacity: 10, dueBytesMax: 1000, seed: 1 })
  const decode = (twin: typeof wasmKernel, block: Uint8Array, length: number) => {
    memory.bytes.fill(0, memory.plainAt, memory.plainAt + 65536)
    memory.bytes.set(block, memory.inputAt)
    const start = varint(length).length
    try {
      twin(memory).snappy(memory.inputAt + start, memory.inputAt + block.length, memory.plainAt, memory.plainAt + length)
    } catch (error) {
      if (!(error instanceof SnappyError)) throw error
      return error.message
    }
    return Buffer.from(memory.bytes.slice(memory.plainAt, memory.plainAt + length)).toString('latin1')
  }
  const words = fc.array(fc.constantFrom('host', '="a"', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'xyz', '0123456789'), {
    minLength: 1,
    maxLength: 40,
  })
  fc.assert(
    fc.property(words, fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 2 }), (parts, changes) => {
      const plain = Buffer.from(parts.join(''))
      const block = snappyCompress(plain)
      for (const [at, byte] of changes) if (at >= varint(plain.length).length && at < block.length) block[at] = byte
      const expected = decode(typescriptKernel, block, plain.length)
      if (changes.length === 0) expect(expected).toBe(plain.toString('latin1'))
      expect(decode(wasmKernel, block, plain.length)).toBe(expected)
    }),
    { numRuns: 500 },
  )
})
