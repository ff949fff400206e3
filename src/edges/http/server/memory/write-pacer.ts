/**
 * Paces the writes of events to all subscribers: after `limits.events.turnBytesMax` bytes, other work on the event loop
 * runs first. An event of 200 KB for a thousand subscribers makes the kernel copy 200 MB, which would otherwise block
 * the event loop.
 */
import type { Limits } from '../../../../config/limits.ts'

interface PendingWrite {
  readonly bytes: number
  readonly proceed: () => void
}

export class WritePacer {
  readonly #bytesMax: number
  #left: number
  /** In the order of the calls. */
  readonly #waiting: PendingWrite[] = []

  constructor({ events: { turnBytesMax } }: Limits) {
    this.#bytesMax = turnBytesMax
    this.#left = turnBytesMax
  }

  /** @returns undefined, in almost all cases, to write at once; otherwise a promise that resolves when to write */
  take(bytes: number): Promise<void> | undefined {
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left -= bytes
      return undefined
    }
    return new Promise((proceed) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#nextTurn())
      this.#waiting.push({ bytes, proceed })
    })
  }

  #nextTurn(): void {
    this.#left = this.#bytesMax
    let count = 0
    while (count < this.#waiting.length && this.#left > 0) {
      this.#left -= this.#waiting[count]!.bytes
      count += 1
    }
    const proceeding = this.#waiting.splice(0, count)
    if (this.#waiting.length > 0) setImmediate(() => this.#nextTurn())
    for (const { proceed } of proceeding) proceed()
  }
}
