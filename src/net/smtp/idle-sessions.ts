/**
 * SMTP sessions that stay open for a while after a message, so that the next message to the same destination needs no new
 * connection. Each is kept for a limited time and a limited number of messages; QUIT ends it.
 *
 * Must not: open sessions, or decide how many may be open (smtp-pool.ts and the targets do).
 */
import type { SmtpClientSession } from './smtp-client.ts'

export interface IdleSession<Server> {
  readonly session: SmtpClientSession
  /** The server, as the caller describes it. */
  readonly server: Server
  /** Messages that it has delivered. */
  readonly messageCount: number
}

interface Kept<Server> extends IdleSession<Server> {
  readonly destination: string
  readonly timer: NodeJS.Timeout
}

interface IdleLimits {
  readonly messagesMax: number
  readonly idleMs: number
}

export class IdleSessions<Server> {
  readonly #limits: IdleLimits
  /** Those that were used last are at the end. */
  #kept: Kept<Server>[] = []
  #isClosed = false

  constructor(limits: IdleLimits) {
    this.#limits = limits
  }

  get count(): number {
    return this.#kept.length
  }

  /** Keeps an open session, or ends it if it may not be used again. A closed one is not kept. */
  keep(destination: string, idle: IdleSession<Server>): void {
    const { session, messageCount } = idle
    if (!session.isOpen) return
    if (this.#isClosed || messageCount >= this.#limits.messagesMax) {
      session.quit()
      return
    }
    const timer = setTimeout(() => {
      this.#kept = this.#kept.filter((each) => each.session !== session)
      session.quit()
    }, this.#limits.idleMs).unref()
    this.#kept.push({ ...idle, destination, timer })
  }

  /**
   * Takes the session of the destination that was used last, because the server may soon close the others. It may have closed this
   * one without our noticing: see SmtpClientSession.isUsedUp.
   */
  take(destination: string): IdleSession<Server> | undefined {
    for (;;) {
      const at = this.#kept.findLastIndex((each) => each.destination === destination)
      if (at < 0) return undefined
      const [kept] = this.#kept.splice(at, 1) as [Kept<Server>]
      clearTimeout(kept.timer)
      if (kept.session.isOpen) return kept
    }
  }

  /** Ends the session that has been idle longest. */
  endOldest(): void {
    const oldest = this.#kept.shift()
    if (!oldest) return
    clearTimeout(oldest.timer)
    oldest.session.quit()
  }

  /** Ends all sessions, and from now on each that would be kept. */
  close(): void {
    this.#isClosed = true
    while (this.#kept.length > 0) this.endOldest()
  }
}
