import type { Control } from './control.ts'

/** One reading thread's hold on the head's memory; may be entered by several queries of the thread at once. */
export class ReaderPin {
  readonly #control: Control
  readonly #slot: number
  #entered = 0

  /** @param slot a number of this thread's own, below `HeadLimits.readers` */
  constructor(control: Control, slot: number) {
    this.#control = control
    this.#slot = slot
    control.leave(slot)
  }

  enter(): void {
    // The oldest of several queries decides; a later one is safe under its epoch as well.
    if (this.#entered++ === 0) this.#control.enter(this.#slot)
  }

  leave(): void {
    if (--this.#entered === 0) this.#control.leave(this.#slot)
  }
}
