/**
 * The snappy block format (not the framed one): a varint of the decoded length, then literals and copies. Copies are made 8 bytes at a
 * time and may write up to SNAPPY_SLACK bytes beyond their end, never beyond the slack that the caller keeps after the output.
 */

/** Bytes that must be there after the input (read, never used) and after the output (overwritten). */
export const SNAPPY_SLACK = 64

export class SnappyError extends Error {
  constructor(message: string, at: number) {
    super(`snappy: ${message} at byte ${at}`)
    this.name = 'SnappyError'
  }
}

/** Of a block, the decoded length that it declares and where its elements begin. Check the length before making room for it. */
export function snappyHead(block: Uint8Array): { length: number; start: number } {
  let length = 0
  for (let at = 0; at < 5 && at < block.length; at++) {
    const byte = block[at]
    length += (byte & 127) * 2 ** (7 * at)
    if (byte < 128) {
      if (length > 0xffffffff) throw new SnappyError('declared length is over 32 bits', 0)
      return { length, start: at + 1 }
    }
  }
  throw new SnappyError('declared length is cut short or too long', 0)
}

/** A whole block into memory of its own; for what is not on the hot path. @throws SnappyError */
export function decodeSnappy(block: Uint8Array, lengthMax: number): Uint8Array {
  const { length, start } = snappyHead(block)
  if (length > lengthMax) throw new SnappyError(`declared length of ${length} bytes, at most ${lengthMax} are allowed`, 0)
  // One element of 3 bytes gives 64 at the most.
  if (length > 22 * block.length) throw new SnappyError(`declared length of ${length} bytes can't come from ${block.length}`, 0)
  const inputBytes = block.length + SNAPPY_SLACK
  const memory = new Uint8Array(inputBytes + length + SNAPPY_SLACK)
  memory.set(block)
  decodeSnappyElements(memory, new DataView(memory.buffer), start, block.length, inputBytes, inputBytes + length, 0)
  return memory.subarray(inputBytes, inputBytes + length)
}

/**
 * Decodes the elements at memory[inAt, inEnd) to memory[outStart, outEnd), which must not overlap and must be filled exactly.
 * `view` is of the same memory. `inBase` is the address of the block's first byte, for messages.
 * @throws SnappyError
 */
export function decodeSnappyElements(
  memory: Uint8Array,
  view: DataView,
  inAt: number,
  inEnd: number,
  outStart: number,
  outEnd: number,
  inBase: number,
): void {
  let ip = inAt
  let op = outStart
  while (ip < inEnd) {
    const at = ip
    const tag = memory[ip++]
    let length = tag >>> 2
    let offset: number
    switch (tag & 3) {
      case 0: {
        if (length >= 60) {
          const extra = length - 59
          length = view.getUint32(ip, true)
          if (extra < 4) length &= (1 << (8 * extra)) - 1
          ip += extra
        }
        length += 1
        if (length > inEnd - ip) throw new SnappyError(`literal of ${length} bytes, ${Math.max(inEnd - ip, 0)} are left`, at - inBase)
        if (length > outEnd - op) throw new SnappyError('more output than declared', at - inBase)
        if (length <= 16) {
          view.setUint32(op, view.getUint32(ip, true), true)
          view.setUint32(op + 4, view.getUint32(ip + 4, true), true)
          view.setUint32(op + 8, view.getUint32(ip + 8, true), true)
          view.setUint32(op + 12, view.getUint32(ip + 12, true), true)
        } else memory.copyWithin(op, ip, ip + length)
        ip += length
        op += length
        continue
      }
      case 1:
        length = 4 + (length & 7)
        offset = ((tag >>> 5) << 8) | memory[ip++]
        break
      case 2:
        length += 1
        offset = view.getUint16(ip, true)
        ip += 2
        break
      default:
        length += 1
        offset = view.getUint32(ip, true)
        ip += 4
    }
    if (ip > inEnd) throw new SnappyError('copy is cut short', at - inBase)
    if (offset === 0 || offset > op - outStart)
      throw new SnappyError(`copy from ${offset} bytes back, ${op - outStart} are there`, at - inBase)
    if (length > outEnd - op) throw new SnappyError('more output than declared', at - inBase)
    const end = op + length
    if (offset >= 8) {
      for (let from = op - offset; op < end; op += 8, from += 8) {
        view.setUint32(op, view.getUint32(from, true), true)
        view.setUint32(op + 4, view.getUint32(from + 4, true), true)
      }
      op = end
    } else {
      for (; op < end; op++) memory[op] = memory[op - offset]
    }
  }
  if (op !== outEnd) throw new SnappyError(`${op - outStart} bytes decoded, ${outEnd - outStart} declared`, inEnd - inBase)
}
