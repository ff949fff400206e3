/** How many connections of one kind each API key has open on this server, and how many it may have. */
import { MailError } from '../../errors.ts'

export class PerKeyLimit {
  readonly #what: string
  readonly #max: number
  readonly #open = new Map<string, number>()

  /** @param what connections of this kind, in the words of the error: "WebSockets" */
  constructor(what: string, max: number) {
    this.#what = what
    this.#max = max
  }

  /**
   * Counts one more.
   *
   * @returns to be called once, when it has closed
   * @throws too_many_connections
   */
  add(apiKeyId: string): () => void {
    const count = this.#open.get(apiKeyId) ?? 0
    if (count >= this.#max) throw new MailError('too_many_connections', { what: this.#what, max: this.#max })
    this.#open.set(apiKeyId, count + 1)
    return () => {
      const left = this.#open.get(apiKeyId)! - 1
      if (left === 0) this.#open.delete(apiKeyId)
      else this.#open.set(apiKeyId, left)
    }
  }
}
