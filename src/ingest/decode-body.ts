import { promisify } from 'node:util'
import { gunzip, inflate, zstdDecompress } from 'node:zlib'
import { decodeSnappy, SnappyError } from '../kernels/snappy.ts'
import { BadRequestError } from './errors.ts'

const inflaters = { gzip: promisify(gunzip), deflate: promisify(inflate), zstd: promisify(zstdDecompress) }

/**
 * Undoes an HTTP Content-Encoding: identity, gzip, deflate, zstd or snappy (the block format), one or several in a list. No step
 * yields more than `bytesMax` bytes, so a bomb fails before it is unpacked.
 * @throws BadRequestError
 */
export async function decodeBody(bytes: Uint8Array, encoding: string | undefined, bytesMax: number): Promise<Uint8Array> {
  const names = (encoding ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim().replace(/^x-gzip$/, 'gzip'))
  const steps = names.filter((name) => name !== '' && name !== 'identity')
  if (steps.length > 2) throw new BadRequestError(`content encoding "${encoding}" has more than 2 steps`, 'unsupported-encoding')
  let decoded = bytes
  for (const name of steps.reverse()) decoded = await undo(decoded, name, bytesMax)
  if (decoded.length > bytesMax) throw tooLarge(decoded.length, bytesMax)
  return decoded
}

async function undo(bytes: Uint8Array, name: string, bytesMax: number): Promise<Uint8Array> {
  if (name === 'snappy') {
    try {
      return decodeSnappy(bytes, bytesMax)
    } catch (cause) {
      if (!(cause instanceof SnappyError)) throw cause
      throw new BadRequestError(`body is not snappy: ${cause.message}`, /at most/.test(cause.message) ? 'too-large' : 'malformed', {
        cause,
      })
    }
  }
  if (name !== 'gzip' && name !== 'deflate' && name !== 'zstd') {
    throw new BadRequestError(`content encoding "${name}" is not one of gzip, deflate, zstd, snappy, identity`, 'unsupported-encoding')
  }
  try {
    return await inflaters[name](bytes, { maxOutputLength: bytesMax })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(null, bytesMax, cause)
    throw new BadRequestError(`body is not ${name}: ${(cause as Error).message}`, 'malformed', { cause })
  }
}

function tooLarge(bytes: number | null, bytesMax: number, cause?: unknown): BadRequestError {
  return new BadRequestError(`body has ${bytes ?? 'more'} bytes decompressed, at most ${bytesMax} are allowed`, 'too-large', { cause })
}
