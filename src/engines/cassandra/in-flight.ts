/** Bounds what is under way at once, by number and by bytes; who comes first goes first. */
export class InFlight {
  readonly #countMax: number
  readonly #bytesMax: number
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []
  #count = 0
  #bytes = 0

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  get count(): number {
    return this.#count
  }

  /** Does the work when there is room for it. What is larger than all room goes alone. */
  async run<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#fits(bytes)) await new Promise<void>((go) => this.#waiting.push({ bytes, go }))
    else this.#enter(bytes)
    try {
      return await work()
    } finally {
      this.#count--
      this.#bytes -= bytes
      for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
        this.#waiting.shift()
        this.#enter(next.bytes)
        next.go()
      }
    }
  }

  #fits(bytes: number): boolean {
    return this.#count === 0 || (this.#count < this.#countMax && this.#bytes + bytes <= this.#bytesMax)
  }

  #enter(bytes: number): void {
    this.#count++
    this.#bytes += bytes
  }
}
