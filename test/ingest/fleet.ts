/** Requests as a fleet of hosts sends them: 20 metrics a host, 8 labels a series, one sample each; random walks and counters. */
import { TestRandom } from './fakes.ts'
import { labelField, varint } from './write-request.ts'

export const metrics = [
  'cpu_usage_user',
  'cpu_usage_system',
  'cpu_usage_idle',
  'cpu_usage_iowait',
  'cpu_usage_nice',
  'cpu_usage_irq',
  'cpu_usage_softirq',
  'cpu_usage_steal',
  'load_average_1m',
  'load_average_5m',
  'request_latency_ms',
  'disk_used_percent',
  'mem_used_bytes',
  'mem_cached_bytes',
  'queue_messages',
  'connections_active',
  'http_requests_total',
  'http_errors_total',
  'network_receive_bytes_total',
  'network_transmit_bytes_total',
]
const regions = ['us-east-1', 'us-west-1', 'eu-west-1', 'eu-central-1', 'ap-southeast-1', 'sa-east-1']
const services = ['checkout', 'search', 'catalog', 'cart', 'payments', 'identity', 'inventory', 'shipping', 'recommendation', 'gateway']

/** @returns `steps` decompressed WriteRequests, 10 s apart, the last one at `endMs` */
export function fleetRequests(seriesCount: number, steps: number, endMs: number): Uint8Array[] {
  const random = new TestRandom(7)
  const labels = Array.from({ length: seriesCount }, (_, i) => {
    const host = Math.floor(i / metrics.length)
    const region = regions[host % regions.length]!
    return [
      ['__name__', metrics[i % metrics.length]!],
      ['datacenter', `${region}a`],
      ['env', host % 5 === 0 ? 'staging' : 'production'],
      ['host', `host-${String(host).padStart(5, '0')}`],
      ['pool', `pool-${host % 12}`],
      ['region', region],
      ['service', services[host % services.length]!],
      ['team', `team-${host % 8}`],
    ].flatMap(([name, value]) => labelField(name!, value!))
  })
  const values = new Float64Array(seriesCount)
  const sample = new DataView(new ArrayBuffer(9))
  sample.setUint8(0, 9)
  return Array.from({ length: steps }, (_, step) => {
    const time = varint(endMs - (steps - 1 - step) * 10_000)
    const parts: number[][] = []
    for (let i = 0; i < seriesCount; i++) {
      const kind = i % metrics.length
      values[i] = nextValue(values[i]!, kind, random)
      sample.setFloat64(1, values[i]!, true)
      const inner = [...new Uint8Array(sample.buffer), 16, ...time]
      const body = [...labels[i]!, 0x12, inner.length, ...inner]
      parts.push([0x0a, ...varint(body.length)], body)
    }
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.length
    }
    return bytes
  })
}

function nextValue(value: number, kind: number, random: TestRandom): number {
  if (kind >= 16) return value + Math.floor(random.next() * 10 ** (kind - 12))
  if (kind >= 14) return Math.max(0, Math.floor(value + random.next() * 50 - 20))
  if (kind >= 12) return Math.floor((random.next() * 16e9) / 4096) * 4096
  return Math.round((value + random.next()) * 100) / 100
}
