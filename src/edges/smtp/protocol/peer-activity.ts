/**
 * Records what an SMTP peer does: when it last made progress, so that connection-limits.ts can replace a connection that
 * only stays open, and for how long it may be idle. Progress is a number of bytes, an accepted message, or the first MAIL
 * after one.
 */
import type { Limits } from '../../../config/limits.ts'

export class PeerActivity {
  readonly #limits: Limits
  #lastCommandAtMs = performance.now()
  #progressedAtMs = performance.now()
  #bytesSinceProgress = 0
  /** Whether the next MAIL counts as progress: the first one does, and the first one after each accepted message. */
  #isMailCommandProgress = true
  #hasBegunMail = false

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get lastCommandAtMs(): number {
    return this.#lastCommandAtMs
  }

  get progressedAtMs(): number {
    return this.#progressedAtMs
  }

  /** The idle timeout, which is longer after the first MAIL. */
  get idleTimeoutMs(): number {
    const { idleMs, idleBeforeMailMs } = this.#limits.smtp
    return this.#hasBegunMail ? idleMs : Math.min(idleMs, idleBeforeMailMs)
  }

  commandReceived(): void {
    this.#lastCommandAtMs = performance.now()
  }

  received(sizeBytes: number): void {
    this.#bytesSinceProgress += sizeBytes
    if (this.#bytesSinceProgress >= this.#limits.smtp.progressBytes) this.#progressed()
  }

  /** Call it when a MAIL command was accepted. */
  mailBegan(): void {
    this.#hasBegunMail = true
    if (this.#isMailCommandProgress) this.#progressed()
    this.#isMailCommandProgress = false
  }

  messageAccepted(): void {
    this.#progressed()
    this.#isMailCommandProgress = true
  }

  #progressed(): void {
    this.#bytesSinceProgress = 0
    this.#progressedAtMs = performance.now()
  }
}
