/** A range of addresses: the first `bits` of `bytes` count. IPv4 is held as IPv4-mapped IPv6, so that both compare alike. */
export interface Cidr {
  readonly bytes: Uint8Array
  readonly bits: number
}

/** "10.0.0.0/8", "fd00::/8", or a single address; null if it is none. */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf('/')
  const address = slash === -1 ? text : text.slice(0, slash)
  const bytes = parseAddress(address)
  if (bytes === null) return null
  const width = address.includes(':') ? 128 : 32
  const length = slash === -1 ? String(width) : text.slice(slash + 1)
  if (!/^\d{1,3}$/.test(length) || Number(length) > width) return null
  return { bytes, bits: 128 - width + Number(length) }
}

/** 16 bytes of an IPv4 or IPv6 address; null if it is none. */
export function parseAddress(text: string): Uint8Array | null {
  const plain = text.split('%')[0]
  if (!plain.includes(':')) {
    const parts = parseIPv4(plain)
    return parts === null ? null : Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...parts])
  }
  const halves = plain.split('::')
  if (halves.length > 2) return null
  const head = groups(halves[0])
  const tail = halves.length === 2 ? groups(halves[1]) : []
  if (head === null || tail === null) return null
  const missing = 16 - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

export function isInCidr(address: Uint8Array, cidr: Cidr): boolean {
  for (let bit = 0; bit < cidr.bits; bit += 8) {
    const mask = cidr.bits - bit >= 8 ? 0xff : (0xff << (8 - (cidr.bits - bit))) & 0xff
    if ((address[bit / 8] & mask) !== (cidr.bytes[bit / 8] & mask)) return false
  }
  return true
}

function parseIPv4(text: string): number[] | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  const parts = match?.slice(1).map(Number)
  return parts?.every((part) => part < 256) ? parts : null
}

function groups(text: string): number[] | null {
  if (text === '') return []
  const bytes: number[] = []
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      const parts = parseIPv4(group)
      if (parts === null) return null
      bytes.push(...parts)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(group)) bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return null
  }
  return bytes
}
