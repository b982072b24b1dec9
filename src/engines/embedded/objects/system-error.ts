/** The name of an operating system's error, like ENOENT. Not by its class: an error of Node's own may come from another realm than ours. */
export function codeOf(error: unknown): string | null {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : null
}
