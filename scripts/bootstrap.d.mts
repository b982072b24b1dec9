export const root: string
export class SetupError extends Error {}
export function installReason(folder: string): string | null
export function lockDigest(folder: string): string
export function findNode(folder: string, running?: { version: string; path: string }): string
export function filesBelow(folder: string, path: string): string[]
export function digestOf(folder: string, paths: readonly string[]): string
export function hand(
  file: string,
  args: readonly string[],
  options?: { env?: NodeJS.ProcessEnv; signals?: readonly NodeJS.Signals[] },
): Promise<number>
