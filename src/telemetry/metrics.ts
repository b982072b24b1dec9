import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Tidemark's own metrics, served at /metrics. One registry a thread; the main thread adds up those of its workers. */
export const registry = new Registry()

/** The counter of this name, made at its first use. Names begin with `tidemark_` and end with `_total`. */
export function counter<L extends string = string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
  return (registry.getSingleMetric(name) as Counter<L> | undefined) ?? new Counter({ name, help, labelNames, registers: [registry] })
}

/** The gauge of this name, made at its first use. `collect` sets it when it is scraped. */
export function gauge<L extends string = string>(
  name: string,
  help: string,
  labelNames: readonly L[] = [],
  collect?: (this: Gauge<L>) => void | Promise<void>,
): Gauge<L> {
  return (
    (registry.getSingleMetric(name) as Gauge<L> | undefined) ??
    new Gauge({ name, help, labelNames, registers: [registry], ...(collect && { collect }) })
  )
}

/** The histogram of this name, made at its first use. Seconds or bytes, as its name says. */
export function histogram<L extends string = string>(
  name: string,
  help: string,
  labelNames: readonly L[],
  buckets: readonly number[],
): Histogram<L> {
  return (
    (registry.getSingleMetric(name) as Histogram<L> | undefined) ??
    new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [registry] })
  )
}

/** A thread's metrics in a form that crosses threads. */
export type ThreadMetrics = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** This thread's metrics, to be sent to the main thread. */
export function threadMetrics(): Promise<ThreadMetrics> {
  return registry.getMetricsAsJSON()
}

/** This thread's metrics and those of others, added up, as the text of /metrics. */
export async function metricsAsText(others: readonly ThreadMetrics[]): Promise<string> {
  return AggregatorRegistry.aggregate([await threadMetrics(), ...others]).metrics()
}
