import type { IncomingMessage } from 'node:http'
import type { Clock } from '../domain/ports/clock.ts'
import type { HttpLimits } from './deps.ts'

/** Once its first patience is over, a body has to have come at this rate at least: else a few slow senders hold what all may hold. */
const BYTES_PER_MS_MIN = 4
/** What is left of a body that nobody wants is read for so long, so that its sender, who still writes, comes to read the answer. */
const DISCARD_MS_MAX = 5000

/** Why a request's body was not taken. */
export class BodyRefused extends Error {
  readonly status: 400 | 408 | 413 | 429

  constructor(status: BodyRefused['status'], message: string) {
    super(message)
    this.name = 'BodyRefused'
    this.status = status
  }
}

type BodyLimits = Pick<HttpLimits, 'bodyBytesMax' | 'bodyIdleMsMax' | 'appendBytesInFlightMax'>

/** Reads bodies whole, within bounds: of each, of all together, and of patience. */
export class BodyReader {
  readonly #limits: BodyLimits
  readonly #clock: Clock
  #bytesHeld = 0

  constructor(limits: BodyLimits, clock: Clock) {
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
    const text = request.headers['content-length']
    const declared = text === undefined ? null : Number(text)
    if (declared !== null && declared > this.#limits.bodyBytesMax) throw this.#tooLarge(`${declared} bytes`)
    const hold = new Hold((change) => {
      if (change > 0 && this.#bytesHeld + change > this.#limits.appendBytesInFlightMax) throw this.#tooMany()
      this.#bytesHeld += change
    })
    try {
      if (declared !== null) hold.add(declared)
      return await use(await this.#collect(request, declared, hold))
    } finally {
      hold.release()
    }
  }

  /** Reads and drops what is left of a request's body; a sender who goes on and on is cut off. */
  discard(request: IncomingMessage): void {
    request.resume()
    if (request.readableEnded || request.destroyed) return
    const { headers } = request
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return
    const over = new AbortController()
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > this.#limits.bodyBytesMax) request.destroy()
    })
    for (const event of ['end', 'close', 'error']) request.once(event, () => over.abort())
    this.#clock.sleep(DISCARD_MS_MAX, over.signal).then(
      () => request.destroy(),
      () => {},
    )
  }

  #collect(request: IncomingMessage, declared: number | null, hold: Hold): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const whole = declared === null ? null : Buffer.allocUnsafeSlow(declared)
      const chunks: Buffer[] = []
      let bytes = 0
      const over = new AbortController()
      const startMs = this.#clock.monotonicMs()
      let heardMs = startMs
      const onData = (chunk: Buffer) => {
        heardMs = this.#clock.monotonicMs()
        if (whole !== null) chunk.copy(whole, bytes)
        bytes += chunk.length
        if (whole !== null) return
        if (bytes > this.#limits.bodyBytesMax) return fail(this.#tooLarge('more'))
        try {
          hold.add(chunk.length)
          chunks.push(chunk)
        } catch (error) {
          fail(error)
        }
      }
      const onEnd = () => settle(() => resolve(whole ?? Buffer.concat(chunks)))
      const onClose = () => fail(new BodyRefused(400, `the body ended after ${bytes} bytes, before it was complete`))
      const onError = (error: Error) => fail(new BodyRefused(400, `the body can't be read: ${error.message}`))
      const settle = (done: () => void) => {
        request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onError)
        // Nobody else listens, and an error that nobody hears ends the process.
        request.on('error', () => {})
        over.abort()
        done()
      }
      const fail = (error: unknown) => settle(() => reject(error))
      request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onError)
      this.#patience(over.signal, () => ({ startMs, heardMs, bytes })).then(fail, () => {})
    })
  }

  /** Resolves when the body is too slow; rejects when `signal` aborts. */
  async #patience(signal: AbortSignal, progress: () => { startMs: number; heardMs: number; bytes: number }): Promise<BodyRefused> {
    const { bodyIdleMsMax } = this.#limits
    let leftMs = bodyIdleMsMax
    for (;;) {
      await this.#clock.sleep(leftMs, signal)
      const { startMs, heardMs, bytes } = progress()
      const nowMs = this.#clock.monotonicMs()
      leftMs = Math.max(1, bodyIdleMsMax - (nowMs - heardMs))
      if (nowMs - heardMs >= bodyIdleMsMax) {
        return new BodyRefused(408, `no byte of the body came for ${bodyIdleMsMax / 1000} s; ${bytes} had come`)
      }
      if (nowMs - startMs >= bodyIdleMsMax && bytes < (nowMs - startMs) * BYTES_PER_MS_MIN) {
        return new BodyRefused(408, `${bytes} bytes of the body came in ${Math.round(nowMs - startMs) / 1000} s: that is too slow`)
      }
    }
  }

  #tooLarge(met: string): BodyRefused {
    return new BodyRefused(413, `the body has ${met}, at most ${this.#limits.bodyBytesMax} bytes are taken`)
  }

  #tooMany(): BodyRefused {
    const { appendBytesInFlightMax } = this.#limits
    return new BodyRefused(
      429,
      `${this.#bytesHeld} bytes of requests are being worked on already, at most ${appendBytesInFlightMax} are: try again`,
    )
  }
}

/** Bytes that one request holds. */
class Hold {
  readonly #change: (bytes: number) => void
  #bytes = 0

  constructor(change: (bytes: number) => void) {
    this.#change = change
  }

  /** @throws BodyRefused when that is more than all may hold */
  add(bytes: number): void {
    this.#change(bytes)
    this.#bytes += bytes
  }

  release(): void {
    this.#change(-this.#bytes)
    this.#bytes = 0
  }
}
