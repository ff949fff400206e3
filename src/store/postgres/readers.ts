/**
 * The connections that read, opened as they are needed and lent for one statement each.
 *
 * One that is lost is forgotten, and the next statement opens another; what was under way on it fails as unavailable.
 * Whoever finds all of them lent waits its turn, limits.databaseConnectMs at most.
 */
import { MailError } from '../../errors.ts'
import { type ConnectionNeeds, PostgresConnection } from './connection.ts'
import { classify, isOutdatedPlan } from './errors.ts'

interface ReadersNeeds extends ConnectionNeeds {
  readonly connectionsMax: number
}

interface Waiting {
  /** undefined: there is room to open one. */
  readonly take: (connection: PostgresConnection | undefined) => void
}

export class Readers {
  readonly #needs: ReadersNeeds
  readonly #idle: PostgresConnection[] = []
  readonly #waiting: Waiting[] = []
  /** Idle, lent, and being opened. */
  #count = 0
  #isClosed = false

  constructor(needs: ReadersNeeds) {
    this.#needs = needs
  }

  /**
   * @param use one statement; it may be run twice
   * @throws unavailable when there is no connection to be had
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

  /** There is room for another connection. */
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
        reject(new MailError('unavailable', { detail: 'every reading connection is busy' }))
      }, this.#needs.limits.databaseConnectMs)
      this.#waiting.push(waiting)
    })
  }
}
