/** Counts the open connections of one kind per API key on this server, and limits them. */
import { MailError } from '../../../errors.ts'

export class PerKeyLimit {
  readonly #what: string
  readonly #max: number
  readonly #open = new Map<string, number>()

  /** @param what the kind of connection, for the error message: "WebSockets" */
  constructor(what: string, max: number) {
    this.#what = what
    this.#max = max
  }

  /**
   * Counts one more connection.
   *
   * @returns a function to call once, when the connection has closed
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
