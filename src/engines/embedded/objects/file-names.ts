import { OBJECT_KEY_PART_BYTES_MAX } from '../../../domain/object-key.ts'

const CHECKSUM_SUFFIX = '.crc'

/**
 * The file name of a part of a key: the part itself, but for '%' and a leading '.', which are written as %25 and %2E. So files of people's
 * tools find their names, and whatever begins with a '.' is the store's own. `null`: too long for a file name.
 */
export function toFileName(part: string): string | null {
  const name = part.replaceAll('%', '%25').replace(/^\./, '%2E')
  return Buffer.byteLength(name) <= OBJECT_KEY_PART_BYTES_MAX ? name : null
}

/** `null`: not a name of ours. */
export function fromFileName(name: string): string | null {
  if (name.startsWith('.') || /%(?!25|2E)/.test(name)) return null
  const part = name.replaceAll('%2E', '.').replaceAll('%25', '%')
  return toFileName(part) === name ? part : null
}

/** The file beside an object's that holds its checksum. */
export function checksumName(fileName: string): string {
  return `.${fileName}${CHECKSUM_SUFFIX}`
}
