const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export type Stop = (typeof signals)[number]

/** A Ctrl-C reaches the whole process group, and npm and its script pass it on as well: that is still one wish. */
const ECHO_MS = 300

/** Catches what asks this process to stop: the first time for a drain, the second time it exits at once. */
export function stopSignals(exit: (code: number) => void = process.exit): { readonly first: Promise<Stop>; ignore(): void } {
  const { promise: first, resolve } = Promise.withResolvers<Stop>()
  let firstMs: number | null = null
  const onSignal = (signal: Stop) => {
    if (firstMs === null) {
      firstMs = performance.now()
      resolve(signal)
    } else if (performance.now() - firstMs > ECHO_MS) {
      exit(signal === 'SIGINT' ? 130 : 143)
    }
  }
  for (const signal of signals) process.on(signal, onSignal)
  return {
    first,
    ignore() {
      for (const signal of signals) process.off(signal, onSignal)
    },
  }
}
