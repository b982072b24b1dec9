import type { IncomingMessage } from 'node:http'
import type { Clock } from '../domain/ports/clock.ts'
import type { HttpLimits } from './deps.ts'

/** Why a request's body was not taken. */
export class BodyRefused extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'BodyRefused'
    this.status = status
  }
}

/** Reads bodies whole, within bounds: of each, of all together, and of patience. */
export class BodyReader {
  readonly #limits: HttpLimits
  readonly #clock: Clock
  #bytesHeld = 0

  constructor(limits: HttpLimits, clock: Clock) {
    this.#limits = limits
    this.#clock = clock
  }

  get bytesHeld(): number {
    return this.#bytesHeld
  }

  /**
   * Reads a body, hands it to `use`, and counts it as held until that is done. Errors of `use` pass through.
   * @throws BodyRefused 413 too large, 429 too many held, 408 too slow, 400 ended early
   */
  async read<T>(request: IncomingMessage, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    const declared = Number(request.headers['content-length'] ?? Number.NaN)
    const { bodyBytesMax, appendBytesInFlightMax } = this.#limits
    if (declared > bodyBytesMax) throw new BodyRefused(413, `the body has ${declared} bytes, at most ${bodyBytesMax} are taken`)
    const held = Number.isNaN(declared) ? 0 : declared
    if (this.#bytesHeld + held > appendBytesInFlightMax) {
      throw new BodyRefused(
        429,
        `${this.#bytesHeld} bytes of requests are being worked on already, at most ${appendBytesInFlightMax} are: try again`,
      )
    }
    this.#bytesHeld += held
    let extra = 0
    try {
      const body = await this.#collect(request, declared)
      extra = body.length - held
      this.#bytesHeld += extra
      return await use(body)
    } finally {
      this.#bytesHeld -= held + extra
    }
  }

  #collect(request: IncomingMessage, declared: number): Promise<Uint8Array> {
    const { bodyBytesMax, bodyIdleMsMax } = this.#limits
    return new Promise((resolve, reject) => {
      const whole = Number.isNaN(declared) ? null : Buffer.allocUnsafeSlow(declared)
      const chunks: Buffer[] = []
      let bytes = 0
      const watch = new AbortController()
      const finish = (settle: () => void) => {
        watch.abort()
        settle()
      }
      const refuse = (status: number, message: string) => finish(() => reject(new BodyRefused(status, message)))
      let heardAt = this.#clock.monotonicMs()
      const patience = async () => {
        for (let left = bodyIdleMsMax; left > 0; left = bodyIdleMsMax - (this.#clock.monotonicMs() - heardAt))
          await this.#clock.sleep(left, watch.signal)
        refuse(408, `no byte of the body came for ${bodyIdleMsMax / 1000} s; ${bytes} had come`)
      }
      request.on('data', (chunk: Buffer) => {
        // Whatever is left of a body that comes whole is not worth a timer.
        heardAt = this.#clock.monotonicMs()
        if (whole === null) {
          chunks.push(chunk)
          if (bytes + chunk.length > bodyBytesMax) return refuse(413, `the body is longer than the ${bodyBytesMax} bytes that are taken`)
        } else chunk.copy(whole, bytes)
        bytes += chunk.length
      })
      request.on('end', () => finish(() => resolve(whole ?? Buffer.concat(chunks))))
      request.on('aborted', () => refuse(400, `the body ended after ${bytes} bytes`))
      request.on('error', (error) => refuse(400, `the body can't be read: ${error.message}`))
      patience().catch(() => {})
    })
  }
}
