import { describe, expect, it } from '@jest/globals'
import { HostAgent } from '../../src/collect/agent/host-agent.ts'
import type { MachineFiles } from '../../src/collect/agent/procfs.ts'
import type { SampleBatch } from '../../src/domain/ports/append-samples.ts'
import { isStaleAt } from '../../src/domain/sample.ts'
import { silentLogger } from '../../src/telemetry/log.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

const PROC: Record<string, string> = {
  stat: 'cpu  10 0 0 0\ncpu0 100 5 50 1000 7 1 2 3 0 0\nintr 12345 1 2\nctxt 99\nbtime 1700000000\nprocesses 7\nprocs_running 2\nprocs_blocked 1\n',
  meminfo: 'MemTotal:       1000 kB\nMemAvailable:    600 kB\nActive(anon):     10 kB\nHugePages_Total:       3\n',
  loadavg: '0.50 0.25 0.10 1/100 1234\n',
  diskstats: '   8       0 sda 10 1 20 30 40 2 60 70 1 90 100 0 0 0 0\n   7       0 loop0 1 0 1 0 0 0 0 0 0 0 0\n',
  'net/dev': 'Inter-|   Receive |\n face |bytes packets\n  eth0: 1000 10 1 2 0 0 0 0 2000 20 3 4 0 0 0 0\n',
  mounts: '/dev/sda1 / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\n/dev/sdb1 /mnt/a\\040b xfs ro 0 0\n',
}

function machine(proc: Record<string, string>): MachineFiles {
  return {
    read: async (path) => proc[path] ?? null,
    statFilesystem: async () => ({ size: 100, free: 50, available: 40, files: 10, filesFree: 5 }),
    hostname: () => 'host-1',
    uname: () => ({ release: '6.1', version: '#1', machine: 'x86_64' }),
  }
}

function setUp(proc: Record<string, string>) {
  const batches: SampleBatch[] = []
  const agent = new HostAgent({
    files: machine(proc),
    append: {
      async appendSamples(batch) {
        batches.push(batch)
        return { acceptedSamples: 0, rejectedSamples: 0, rejected: [], position: '' }
      },
    },
    clock: new VirtualClock(),
    logger: silentLogger,
    intervalMs: 5000,
    labels: { job: 'node', instance: 'host-1' },
  })
  const value = (series: string) => {
    const batch = batches.at(-1) as SampleBatch
    const index = batch.labels.findIndex((labels) => `${labels}` === series)
    if (index === -1) return undefined
    return isStaleAt(new Uint32Array(batch.values.buffer), index) ? 'stale' : batch.values[index]
  }
  return { agent, batches, value }
}

describe('the host agent', () => {
  it.each([
    ['node_cpu_seconds_total{cpu="0", instance="host-1", job="node", mode="user"}', 1],
    ['node_cpu_seconds_total{cpu="0", instance="host-1", job="node", mode="steal"}', 0.03],
    ['node_memory_MemAvailable_bytes{instance="host-1", job="node"}', 614_400],
    ['node_memory_Active_anon_bytes{instance="host-1", job="node"}', 10_240],
    ['node_memory_HugePages_Total{instance="host-1", job="node"}', 3],
    ['node_load1{instance="host-1", job="node"}', 0.5],
    ['node_disk_read_bytes_total{device="sda", instance="host-1", job="node"}', 10_240],
    ['node_network_transmit_packets_total{device="eth0", instance="host-1", job="node"}', 20],
    ['node_filesystem_avail_bytes{device="/dev/sda1", fstype="ext4", instance="host-1", job="node", mountpoint="/"}', 40],
    ['node_filesystem_readonly{device="/dev/sdb1", fstype="xfs", instance="host-1", job="node", mountpoint="/mnt/a b"}', 1],
    ['node_boot_time_seconds{instance="host-1", job="node"}', 1_700_000_000],
    ['up{instance="host-1", job="node"}', 1],
  ])('reads %s', async (series, expected) => {
    const { agent, value } = setUp(PROC)
    await agent.readOnce(1_700_000_000_000)
    expect(value(series)).toBeCloseTo(expected as number)
  })

  it('leaves out loop devices and pseudo filesystems, and tells types once', async () => {
    const { agent, batches } = setUp(PROC)
    await agent.readOnce(1)
    const text = batches[0].labels.join('\n')
    expect(text).not.toMatch(/loop0|fstype="proc"/)
    expect(batches[0].metadata).toContainEqual(expect.objectContaining({ metric: 'node_cpu_seconds_total', type: 'counter' }))
    await agent.readOnce(2)
    expect(batches[1].metadata).toEqual([])
    expect(batches[1].labels[0]).toBe(batches[0].labels[0])
  })

  it('ends the series of a device that is gone', async () => {
    const proc = { ...PROC }
    const { agent, value } = setUp(proc)
    await agent.readOnce(1)
    proc['net/dev'] = ''
    await agent.readOnce(2)
    expect(value('node_network_receive_bytes_total{device="eth0", instance="host-1", job="node"}')).toBe('stale')
    await agent.readOnce(3)
    expect(value('node_network_receive_bytes_total{device="eth0", instance="host-1", job="node"}')).toBeUndefined()
  })
})
