/** Builds bodies of remote write, also such as no sender would build. */
export interface TestSample {
  readonly time: number
  readonly value?: number
  /** low, high; instead of `value` */
  readonly bits?: readonly [number, number]
}

export interface TestSeries {
  readonly labels: readonly (readonly [string, string])[]
  readonly samples: readonly TestSample[]
}

export function varint(value: number | bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
  bytes.push(Number(rest))
  return bytes
}

export function field(number: number, bytes: readonly number[]): number[] {
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes]
}

export function text(value: string): number[] {
  return [...Buffer.from(value, 'utf8')]
}

export function labelField(name: string, value: string): number[] {
  return field(1, [...field(1, text(name)), ...field(2, text(value))])
}

export function sampleField({ time, value, bits }: TestSample): number[] {
  const view = new DataView(new ArrayBuffer(8))
  if (bits) {
    view.setUint32(0, bits[0], true)
    view.setUint32(4, bits[1], true)
  } else view.setFloat64(0, value ?? 0, true)
  return field(2, [9, ...new Uint8Array(view.buffer), 16, ...varint(time)])
}

export function seriesField({ labels, samples }: TestSeries): number[] {
  return field(1, [...labels.flatMap(([name, value]) => labelField(name, value)), ...samples.flatMap(sampleField)])
}

export function metadataField(type: number, metric: string, help: string, unit: string): number[] {
  return field(3, [8, ...varint(type), ...field(2, text(metric)), ...field(4, text(help)), ...field(5, text(unit))])
}

export function writeRequest(series: readonly TestSeries[]): Uint8Array {
  return snappyLiteral(Uint8Array.from(series.flatMap(seriesField)))
}

/** A snappy block of literals only. */
export function snappyLiteral(plain: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.from(varint(plain.length))]
  for (let at = 0; at < plain.length; at += 65536) {
    const piece = plain.subarray(at, at + 65536)
    parts.push(Uint8Array.of(61 << 2, (piece.length - 1) & 255, (piece.length - 1) >>> 8), piece)
  }
  return Buffer.concat(parts)
}

/** A simple real snappy compressor: greedy, one hash table. */
export function snappyCompress(plain: Uint8Array): Uint8Array {
  const out: number[] = varint(plain.length)
  const table = new Map<number, number>()
  const word = (at: number) => (plain[at]! | (plain[at + 1]! << 8) | (plain[at + 2]! << 16) | (plain[at + 3]! << 24)) >>> 0
  let literal = 0
  const flush = (end: number) => {
    while (literal < end) {
      const length = Math.min(end - literal, 65536)
      if (length <= 60) out.push((length - 1) << 2)
      else if (length <= 256) out.push(60 << 2, length - 1)
      else out.push(61 << 2, (length - 1) & 255, (length - 1) >>> 8)
      for (let i = 0; i < length; i++) out.push(plain[literal + i]!)
      literal += length
    }
  }
  for (let at = 0; at + 4 <= plain.length; ) {
    const key = word(at)
    const from = table.get(key)
    table.set(key, at)
    if (from === undefined || at - from > 60000) {
      at += 1
      continue
    }
    let length = 4
    while (at + length < plain.length && length < 64 && plain[from + length] === plain[at + length]) length += 1
    flush(at)
    const offset = at - from
    if (length < 12 && offset < 2048) out.push(1 | ((length - 4) << 2) | ((offset >>> 8) << 5), offset & 255)
    else out.push(2 | ((length - 1) << 2), offset & 255, offset >>> 8)
    at += length
    literal = at
  }
  flush(plain.length)
  return Uint8Array.from(out)
}
