/**
 * The pool of read connections. It opens them on demand and lends each one for a single statement.
 *
 * A lost connection is dropped, and the next statement opens another; statements that ran on it fail with unavailable.
 * When all are in use, a caller waits in a queue for at most limits.store.connectMs.
 */
import { MailError } from '../../errors.ts'
import { type ConnectionNeeds, PostgresConnection } from './postgres-connection.ts'
import { classify, isOutdatedPlan } from './postgres-errors.ts'

interface ReadersNeeds extends ConnectionNeeds {
  readonly connectionsMax: number
}

interface PendingRead {
  /** @param connection undefined: the caller may open a new one */
  readonly take: (connection: PostgresConnection | undefined) => void
}

export class Readers {
  readonly #needs: ReadersNeeds
  readonly #idle: PostgresConnection[] = []
  readonly #waiting: PendingRead[] = []
  /** Connections that are idle, lent, or being opened. */
  #count = 0
  #isClosed = false

  constructor(needs: ReadersNeeds) {
    this.#needs = needs
  }

  /**
   * @param use runs one statement; it may be called twice
   * @throws unavailable when no connection becomes free or can be opened
   */
  async lend<T>(use: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    const connection = await this.#take()
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
    for (const { take } of this.#waiting.splice(0)) take(undefined)
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()))
  }

  async #take(): Promise<PostgresConnection> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (!idle.isLost) return idle
      this.#count -= 1
    }
    if (this.#count >= this.#needs.connectionsMax) {
      const freed = await this.#wait()
      if (freed) return freed
    }
    if (this.#isClosed) throw new MailError('shutting_down', {})
    this.#count += 1
    try {
      return await PostgresConnection.open(this.#needs)
    } catch (error) {
      this.#free()
      throw classify(error, true)
    }
  }

  #takeBack(connection: PostgresConnection): void {
    if (connection.isLost || this.#isClosed) {
      void connection.close()
      this.#free()
      return
    }
    connection.forgetOutdated()
    const next = this.#waiting.shift()
    if (next) next.take(connection)
    else this.#idle.push(connection)
  }

  /** Lowers the count and lets the next waiting caller open a connection. */
  #free(): void {
    this.#count -= 1
    this.#waiting.shift()?.take(undefined)
  }

  #wait(): Promise<PostgresConnection | undefined> {
    return new Promise((resolve, reject) => {
      const waiting = {
        take: (connection: PostgresConnection | undefined) => {
          clearTimeout(timer)
          resolve(connection)
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1)
        reject(new MailError('unavailable', { detail: 'all read connections are busy' }))
      }, this.#needs.limits.store.connectMs)
      this.#waiting.push(waiting)
    })
  }
}
