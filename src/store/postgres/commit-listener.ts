/**
 * Commit notifications between nodes: LISTEN and NOTIFY, on a separate connection.
 *
 * A node sends NOTIFY after the commit, never inside the transaction: PostgreSQL would then commit only one transaction
 * at a time. While a NOTIFY is running, further ones are merged into one. The payload is only the sender's node id. A
 * lost notification delays the other nodes by one poll interval.
 * Connection lost: reconnects at growing intervals, then signals once, here and to the other nodes, because
 * notifications in both directions may have been lost.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import { retryPauseMs } from '../../retry-pause.ts'
import type { PostgresConnection } from './postgres-connection.ts'

const CHANNEL = 'martlet_commits'
const RETRY_FIRST_MS = 50

interface CommitListenerNeeds {
  readonly connect: () => Promise<PostgresConnection>
  /** The unique id of this process. */
  readonly node: string
  readonly retryMsMax: number
  readonly log: Log
  readonly metrics: Metrics
}

export class CommitListener {
  readonly #needs: CommitListenerNeeds
  readonly #stop = new AbortController()
  #connection: PostgresConnection | undefined
  #listener: () => void = () => undefined
  #isSending = false
  #isRepeated = false

  constructor(needs: CommitListenerNeeds) {
    this.#needs = needs
  }

  /** @returns the first connection @throws what it throws */
  async start(): Promise<PostgresConnection> {
    return this.#listen()
  }

  onCommit(listener: () => void): void {
    this.#listener = listener
  }

  notify(): void {
    if (this.#isSending) this.#isRepeated = true
    else void this.#notify()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#connection?.close()
  }

  /** Never rejects. */
  async #notify(): Promise<void> {
    this.#isSending = true
    do {
      this.#isRepeated = false
      // If it is lost with the connection, the other nodes poll after their interval.
      await this.#connection?.query(`select pg_notify('${CHANNEL}', $1)`, [this.#needs.node]).catch(() => undefined)
    } while (this.#isRepeated)
    this.#isSending = false
  }

  async #listen(): Promise<PostgresConnection> {
    const connection = await this.#needs.connect()
    connection.onNotification((node) => {
      if (node !== this.#needs.node) this.#listener()
    })
    connection.onEnd(() => void this.#listenAgain())
    try {
      await connection.run(`listen ${CHANNEL}`)
    } catch (error) {
      connection.destroy()
      throw error
    }
    this.#connection = connection
    return connection
  }

  /** Never rejects. */
  async #listenAgain(): Promise<void> {
    const { signal } = this.#stop
    if (signal.aborted || !this.#connection) return
    this.#connection = undefined
    const { log, metrics, retryMsMax } = this.#needs
    for (let attempts = 1; !signal.aborted; attempts += 1) {
      try {
        await this.#listen()
        this.#listener()
        this.notify()
        return
      } catch (error) {
        metrics.backgroundErrors.inc({ loop: 'commit listener' })
        log.warn({ err: error }, 'cannot listen for commits of other nodes; will retry')
      }
      const pauseMs = retryPauseMs(attempts, RETRY_FIRST_MS, retryMsMax)
      await delay(pauseMs, undefined, { signal }).catch(() => undefined) // aborted: the loop ends
    }
  }
}
