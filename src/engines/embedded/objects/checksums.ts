import { open, readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { codeOf } from './system-error.ts'

/** CRC-32 and length of an object's bytes, as a line of its checksum file: docs/formats/object-folder.md. */
export class ObjectChecksum {
  #crc = 0
  #bytes = 0

  update(piece: Uint8Array): void {
    this.#crc = crc32(piece, this.#crc)
    this.#bytes += piece.length
  }

  get bytes(): number {
    return this.#bytes
  }

  toString(): string {
    return `${this.#crc.toString(16).padStart(8, '0')} ${this.#bytes}`
  }
}

/** The lines of a checksum file: one of them is the object's. More than one stands there after several put the same key at once. */
export async function readChecksums(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').filter((line) => /^[0-9a-f]{8} \d+$/.test(line))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/** Adds a line, durably but for the file's entry in its folder. */
export async function addChecksum(path: string, checksum: string): Promise<void> {
  const file = await open(path, 'a', 0o640)
  try {
    // A line that a power cut left half written ends here.
    await file.appendFile(`\n${checksum}\n`)
    await file.datasync()
  } finally {
    await file.close()
  }
}
