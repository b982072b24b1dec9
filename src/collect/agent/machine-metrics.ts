import type { MetricMetadata } from '../../domain/ports/metadata-view.ts'
import type { MachineFiles } from './procfs.ts'

/** One reading of one metric; labels in pairs. */
export type Emit = (metric: string, value: number, ...labels: string[]) => void

/** Kernel ticks a second, the same on every Linux that Node runs on. */
const TICKS = 100
const SECTOR_BYTES = 512
const CPU_MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'irq', 'softirq', 'steal']
const PSEUDO_FILESYSTEMS =
  /^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs)$/
const SYSTEM_MOUNTS = /^\/(dev|proc|run\/credentials\/.+|sys|var\/lib\/docker\/.+|var\/lib\/containers\/storage\/.+)($|\/)/
const IGNORED_DISKS = /^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$/

/**
 * This machine's numbers under node_exporter's metric names, so that dashboards and rules made for it work. One reader a subsystem; one
 * that finds nothing emits nothing.
 */
export const machineReaders: readonly ((files: MachineFiles, emit: Emit) => Promise<void>)[] = [
  readStat,
  readMemory,
  readLoad,
  readDisks,
  readNetwork,
  readFilesystems,
  readFileDescriptors,
  readVmstat,
  readUname,
]

async function readStat(files: MachineFiles, emit: Emit): Promise<void> {
  for (const line of lines(await files.read('stat'))) {
    const [name, ...fields] = line.split(/\s+/)
    const cpu = /^cpu(\d+)$/.exec(name)
    if (cpu !== null) {
      CPU_MODES.forEach((mode, i) => {
        if (fields[i] !== undefined) emit('node_cpu_seconds_total', Number(fields[i]) / TICKS, 'cpu', cpu[1], 'mode', mode)
      })
      if (fields[8] !== undefined) emit('node_cpu_guest_seconds_total', Number(fields[8]) / TICKS, 'cpu', cpu[1], 'mode', 'user')
      if (fields[9] !== undefined) emit('node_cpu_guest_seconds_total', Number(fields[9]) / TICKS, 'cpu', cpu[1], 'mode', 'nice')
    } else if (name === 'btime') emit('node_boot_time_seconds', Number(fields[0]))
    else if (name === 'ctxt') emit('node_context_switches_total', Number(fields[0]))
    else if (name === 'intr') emit('node_intr_total', Number(fields[0]))
    else if (name === 'processes') emit('node_forks_total', Number(fields[0]))
    else if (name === 'procs_running') emit('node_procs_running', Number(fields[0]))
    else if (name === 'procs_blocked') emit('node_procs_blocked', Number(fields[0]))
  }
}

async function readMemory(files: MachineFiles, emit: Emit): Promise<void> {
  for (const line of lines(await files.read('meminfo'))) {
    const match = /^(\w+)(?:\((\w+)\))?:\s+(\d+)( kB)?/.exec(line)
    if (match === null) continue
    const [, name, part, value, unit] = match
    const metric = part === undefined ? name : `${name}_${part}`
    emit(`node_memory_${metric}${unit === undefined ? '' : '_bytes'}`, Number(value) * (unit === undefined ? 1 : 1024))
  }
}

async function readLoad(files: MachineFiles, emit: Emit): Promise<void> {
  const text = await files.read('loadavg')
  if (text === null) return
  const [one, five, fifteen] = text.split(' ').map(Number)
  emit('node_load1', one)
  emit('node_load5', five)
  emit('node_load15', fifteen)
}

async function readDisks(files: MachineFiles, emit: Emit): Promise<void> {
  for (const line of lines(await files.read('diskstats'))) {
    const [, , device, ...fields] = line.trim().split(/\s+/)
    if (device === undefined || IGNORED_DISKS.test(device)) continue
    const [reads, readsMerged, sectorsRead, readMs, writes, writesMerged, sectorsWritten, writeMs, ioNow, ioMs, weightedMs] =
      fields.map(Number)
    const on = ['device', device]
    emit('node_disk_reads_completed_total', reads, ...on)
    emit('node_disk_reads_merged_total', readsMerged, ...on)
    emit('node_disk_read_bytes_total', sectorsRead * SECTOR_BYTES, ...on)
    emit('node_disk_read_time_seconds_total', readMs / 1000, ...on)
    emit('node_disk_writes_completed_total', writes, ...on)
    emit('node_disk_writes_merged_total', writesMerged, ...on)
    emit('node_disk_written_bytes_total', sectorsWritten * SECTOR_BYTES, ...on)
    emit('node_disk_write_time_seconds_total', writeMs / 1000, ...on)
    emit('node_disk_io_now', ioNow, ...on)
    emit('node_disk_io_time_seconds_total', ioMs / 1000, ...on)
    emit('node_disk_io_time_weighted_seconds_total', weightedMs / 1000, ...on)
  }
}

const NETWORK_COLUMNS = ['bytes', 'packets', 'errs', 'drop', 'fifo', 'frame', 'compressed', 'multicast']
const NETWORK_SENT_COLUMNS = ['bytes', 'packets', 'errs', 'drop', 'fifo', 'colls', 'carrier', 'compressed']

async function readNetwork(files: MachineFiles, emit: Emit): Promise<void> {
  for (const line of lines(await files.read('net/dev'))) {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line)
    if (match === null) continue
    const fields = match[2].trim().split(/\s+/).map(Number)
    for (const [i, column] of NETWORK_COLUMNS.entries()) emit(`node_network_receive_${column}_total`, fields[i], 'device', match[1])
    for (const [i, column] of NETWORK_SENT_COLUMNS.entries())
      emit(`node_network_transmit_${column}_total`, fields[8 + i], 'device', match[1])
  }
}

async function readFilesystems(files: MachineFiles, emit: Emit): Promise<void> {
  const seen = new Set<string>()
  for (const line of lines(await files.read('mounts'))) {
    const [device, rawMountpoint, fstype, options] = line.split(' ')
    // The root of a container is an overlay; it is the one that people look for.
    if (options === undefined || (PSEUDO_FILESYSTEMS.test(fstype) && rawMountpoint !== '/') || SYSTEM_MOUNTS.test(rawMountpoint)) continue
    const mountpoint = rawMountpoint.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
    if (seen.has(mountpoint)) continue
    seen.add(mountpoint)
    const on = ['device', device, 'fstype', fstype, 'mountpoint', mountpoint]
    const numbers = await files.statFilesystem(mountpoint)
    emit('node_filesystem_device_error', numbers === null ? 1 : 0, ...on)
    if (numbers === null) continue
    emit('node_filesystem_size_bytes', numbers.size, ...on)
    emit('node_filesystem_free_bytes', numbers.free, ...on)
    emit('node_filesystem_avail_bytes', numbers.available, ...on)
    emit('node_filesystem_files', numbers.files, ...on)
    emit('node_filesystem_files_free', numbers.filesFree, ...on)
    emit('node_filesystem_readonly', options.split(',').includes('ro') ? 1 : 0, ...on)
  }
}

async function readFileDescriptors(files: MachineFiles, emit: Emit): Promise<void> {
  const text = await files.read('sys/fs/file-nr')
  if (text === null) return
  const [allocated, , maximum] = text.trim().split(/\s+/).map(Number)
  emit('node_filefd_allocated', allocated)
  emit('node_filefd_maximum', maximum)
}

async function readVmstat(files: MachineFiles, emit: Emit): Promise<void> {
  for (const line of lines(await files.read('vmstat'))) {
    const [name, value] = line.split(' ')
    if (/^(oom_kill|pgpg|pswp|pg.*fault)/.test(name)) emit(`node_vmstat_${name}`, Number(value))
  }
}

async function readUname(files: MachineFiles, emit: Emit): Promise<void> {
  const { release, version, machine } = files.uname()
  emit(
    'node_uname_info',
    1,
    'sysname',
    'Linux',
    'release',
    release,
    'version',
    version,
    'machine',
    machine,
    'nodename',
    files.hostname(),
    'domainname',
    '(none)',
  )
}

function lines(text: string | null): string[] {
  return text === null ? [] : text.split('\n').filter((line) => line !== '')
}

/** TYPE and HELP of what the readers emit. */
export function machineMetadata(metric: string): MetricMetadata {
  const counter = metric.endsWith('_total') || metric.startsWith('node_vmstat_')
  return {
    metric,
    type: counter ? 'counter' : 'gauge',
    help: HELP[metric] ?? `${metric.replace(/^node_/, '').replaceAll('_', ' ')} of this machine.`,
    unit: '',
  }
}

const HELP: Readonly<Record<string, string>> = {
  node_cpu_seconds_total: 'Seconds the CPUs spent in each mode.',
  node_load1: '1m load average.',
  node_load5: '5m load average.',
  node_load15: '15m load average.',
  node_boot_time_seconds: 'Node boot time, in unixtime.',
  node_filesystem_avail_bytes: 'Filesystem space available to non-root users in bytes.',
  node_filesystem_size_bytes: 'Filesystem size in bytes.',
  node_network_receive_bytes_total: 'Network device statistic receive_bytes.',
  node_network_transmit_bytes_total: 'Network device statistic transmit_bytes.',
  node_memory_MemAvailable_bytes: 'Memory information field MemAvailable_bytes.',
  node_memory_MemTotal_bytes: 'Memory information field MemTotal_bytes.',
}
