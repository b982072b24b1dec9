import { type WalkStatus, walk } from './remote-write.ts'
import { decodeSnappyElements, SnappyError } from './snappy.ts'
import { remoteWriteWasm } from './wasm/remote-write.generated.ts'
import type { WriteMemory } from './write-memory.ts'

/** The hot loops of remote write on one memory. Both twins do the same on the same bytes. */
export interface RemoteWriteKernel {
  readonly name: 'typescript' | 'wasm'
  /** Decodes the elements of a snappy block, as `decodeSnappyElements` does. @throws SnappyError */
  snappy(inAt: number, inEnd: number, outStart: number, outEnd: number): void
  /** See remote-write.ts. */
  walk(): WalkStatus
}

export function typescriptKernel(memory: WriteMemory): RemoteWriteKernel {
  return {
    name: 'typescript',
    snappy: (inAt, inEnd, outStart, outEnd) =>
      decodeSnappyElements(memory.bytes, memory.view, inAt, inEnd, outStart, outEnd, memory.inputAt),
    walk: () => walk(memory),
  }
}

/** The WebAssembly twin where the machine can run it. */
export function fastestKernel(memory: WriteMemory): RemoteWriteKernel {
  try {
    return wasmKernel(memory)
  } catch {
    return typescriptKernel(memory)
  }
}

let compiled: WebAssembly.Module | undefined

/** @throws when this machine can't run the module (no SIMD) */
export function wasmKernel(memory: WriteMemory): RemoteWriteKernel {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(remoteWriteWasm), (character) => character.charCodeAt(0)))
  // The module's exports, as its source declares them.
  const exports = new WebAssembly.Instance(compiled, { env: { memory: memory.memory } }).exports as {
    snappy(inAt: number, inEnd: number, outStart: number, outEnd: number): number
    walk(): WalkStatus
  }
  return {
    name: 'wasm',
    snappy(inAt, inEnd, outStart, outEnd) {
      if (exports.snappy(inAt, inEnd, outStart, outEnd) === 1) return
      // The twin finds what is wrong, and where.
      decodeSnappyElements(memory.bytes, memory.view, inAt, inEnd, outStart, outEnd, memory.inputAt)
      throw new SnappyError('malformed', 0)
    },
    walk: () => exports.walk(),
  }
}
