/**
 * Records when an SMTP peer last made progress, so that connection-limits.ts can replace a connection that only stays
 * open. Progress is a number of bytes, an accepted message, or the first MAIL after one.
 */
export class PeerProgress {
  readonly #progressBytes: number
  #lastCommandAtMs = performance.now()
  #progressedAtMs = performance.now()
  #bytesSinceProgress = 0
  /** Whether the next MAIL counts as progress: the first one does, and the first one after each accepted message. */
  #isMailCommandProgress = true

  /** @param progressBytes limits.smtp.progressBytes */
  constructor(progressBytes: number) {
    this.#progressBytes = progressBytes
  }

  get lastCommandAtMs(): number {
    return this.#lastCommandAtMs
  }

  get progressedAtMs(): number {
    return this.#progressedAtMs
  }

  commandReceived(): void {
    this.#lastCommandAtMs = performance.now()
  }

  received(sizeBytes: number): void {
    this.#bytesSinceProgress += sizeBytes
    if (this.#bytesSinceProgress >= this.#progressBytes) this.#progressed()
  }

  mailBegan(): void {
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
