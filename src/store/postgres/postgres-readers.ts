/**
 * The pool of read connections. It opens them on demand, one at a time, and lends each one for a single statement.
 *
 * A caller gets whichever is available first: a connection that is returned, or one that has been opened. Statements are
 * short, so a burst of them needs few connections, as at the start of the server; each costs PostgreSQL a process.
 *
 * A lost connection is dropped, and the next statement opens another; statements that ran on it fail with unavailable.
 * A caller waits for at most limits.store.connectMs.
 */
import { MailError } from '../../errors.ts'
import type { ConnectionNeeds, PostgresConnection } from './postgres-connection.ts'
import { classify, isOutdatedPlan } from './postgres-errors.ts'

interface ReadersNeeds extends Pick<ConnectionNeeds, 'limits'> {
  /** Connects to a primary: a standby may not have yet what this node has committed. */
  readonly connect: () => Promise<PostgresConnection>
  readonly connectionsMax: number
}

interface PendingRead {
  readonly resolve: (connection: PostgresConnection) => void
  readonly reject: (error: unknown) => void
}

export class Readers {
  readonly #needs: ReadersNeeds
  readonly #idle: PostgresConnection[] = []
  readonly #waiting: PendingRead[] = []
  /** Connections that are idle, lent, or being opened. */
  #count = 0
  #isOpening = false
  #isClosed = false

  constructor(needs: ReadersNeeds) {
    this.#needs = needs
  }

  /**
   * @param use runs one statement; it may be called twice
   * @throws unavailable when no connection becomes free or can be opened
   */
  async lend<T>(use: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const connection = this.#takeIdle() ?? (await this.#wait())
    try {
      return await use(connection).catch((error: unknown) => {
        if (isOutdatedPlan(error)) return use(connection)
        throw error
      })
    } finally {
      this.#takeBack(connection)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#rejectAll(new MailError('shutting_down', {}))
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()))
  }

  #takeIdle(): PostgresConnection | undefined {
    if (this.#isClosed) throw new MailError('shutting_down', {})
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (!idle.isLost) return idle
      this.#count -= 1
    }
    return undefined
  }

  #takeBack(connection: PostgresConnection): void {
    if (connection.isLost || this.#isClosed) {
      void connection.close()
      this.#count -= 1
      void this.#openIfNeeded()
      return
    }
    connection.forgetOutdated()
    const next = this.#waiting.shift()
    if (next) next.resolve(connection)
    else this.#idle.push(connection)
  }

  #wait(): Promise<PostgresConnection> {
    return new Promise((resolve, reject) => {
      const pending: PendingRead = {
        resolve: (connection) => {
          clearTimeout(timer)
          resolve(connection)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(pending), 1)
        reject(new MailError('unavailable', { detail: 'all read connections are busy' }))
      }, this.#needs.limits.store.connectMs)
      this.#waiting.push(pending)
      void this.#openIfNeeded()
    })
  }

  async #openIfNeeded(): Promise<void> {
    const isNeeded = this.#waiting.length > 0 && this.#count < this.#needs.connectionsMax
    if (!isNeeded || this.#isOpening) return
    this.#isOpening = true
    this.#count += 1
    try {
      const connection = await this.#needs.connect()
      this.#isOpening = false
      this.#takeBack(connection)
      void this.#openIfNeeded()
    } catch (error) {
      this.#isOpening = false
      this.#count -= 1
      // While there are others, callers wait for one of those: perhaps the server has no room for more.
      if (this.#count === 0) this.#rejectAll(classify(error, true))
    }
  }

  #rejectAll(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
