/** As S3 has it. */
export const OBJECT_KEY_BYTES_MAX = 1024
/** Of what stands between two '/': stores on a file system make a file name of it. */
export const OBJECT_KEY_PART_BYTES_MAX = 240

/**
 * Why a text can't be the key of an object, or null when it can. The rule is what every store holds unchanged, so that an archive can move
 * from one to another: parts that are file names, and characters that XML (S3's listings) can carry.
 */
export function objectKeyProblem(key: string): string | null {
  const bytes = new TextEncoder().encode(key).length
  if (!key.isWellFormed()) return 'it is not Unicode'
  if (bytes > OBJECT_KEY_BYTES_MAX) return `it has ${bytes} bytes, at most ${OBJECT_KEY_BYTES_MAX} are possible`
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f\ufffe\uffff]/.test(key)) return 'it has control characters'
  for (const part of key.split('/')) {
    if (part === '') return "it is empty, begins or ends with '/', or has two of them in a row"
    if (part === '.' || part === '..') return `it has the part '${part}'`
    const partBytes = new TextEncoder().encode(part).length
    if (partBytes > OBJECT_KEY_PART_BYTES_MAX) {
      return `it has a part of ${partBytes} bytes, at most ${OBJECT_KEY_PART_BYTES_MAX} are possible`
    }
  }
  return null
}
