/** Counts the commands of one connection and their refusals. When too many were made, the connection is closed. */
import type { Limits } from '../../../config/limits.ts'
import { type Reply, replies } from './replies.ts'

export class CommandQuota {
  readonly #limits: Limits
  #commandCount = 0
  #refusalCount = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  commandReceived(): void {
    this.#commandCount += 1
  }

  /** Counts permanent refusals only: 452 for the 101st recipient is not misbehaviour. */
  replied({ code }: Reply): void {
    if (code >= 500) this.#refusalCount += 1
  }

  /** Returns the reply that closes the connection; undefined while the peer may continue. */
  refusal(): Reply | undefined {
    const { commandsMax, errorsMax } = this.#limits.smtp
    if (this.#commandCount > commandsMax) return replies.tooManyCommands
    return this.#refusalCount >= errorsMax ? replies.tooManyErrors : undefined
  }
}
