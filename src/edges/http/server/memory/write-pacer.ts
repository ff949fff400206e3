/**
 * Paces the writes of events to all subscribers: after `limits.events.turnBytesMax` bytes or `turnWritesMax` writes, other
 * work on the event loop runs first. An event of 200 KB for a thousand subscribers makes the kernel copy 200 MB, and a small
 * one makes a thousand system calls; either would otherwise block the event loop.
 */
import type { Limits } from '../../../../config/limits.ts'

interface PendingWrite {
  readonly bytes: number
  readonly proceed: () => void
}

export class WritePacer {
  readonly #limits: Limits['events']
  #bytesLeft: number
  #writesLeft: number
  /** In the order of the calls. */
  readonly #waiting: PendingWrite[] = []

  constructor({ events }: Limits) {
    this.#limits = events
    this.#bytesLeft = events.turnBytesMax
    this.#writesLeft = events.turnWritesMax
  }

  /** @returns undefined, in almost all cases, to write at once; otherwise a promise that resolves when to write */
  take(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#hasLeft()) {
      this.#spend(bytes)
      return undefined
    }
    return new Promise((proceed) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#nextTurn())
      this.#waiting.push({ bytes, proceed })
    })
  }

  #nextTurn(): void {
    this.#bytesLeft = this.#limits.turnBytesMax
    this.#writesLeft = this.#limits.turnWritesMax
    let count = 0
    while (count < this.#waiting.length && this.#hasLeft()) {
      this.#spend(this.#waiting[count]!.bytes)
      count += 1
    }
    const proceeding = this.#waiting.splice(0, count)
    if (this.#waiting.length > 0) setImmediate(() => this.#nextTurn())
    for (const { proceed } of proceeding) proceed()
  }

  #hasLeft(): boolean {
    return this.#bytesLeft > 0 && this.#writesLeft > 0
  }

  #spend(bytes: number): void {
    this.#bytesLeft -= bytes
    this.#writesLeft -= 1
  }
}
