/**
 * The bell between nodes: LISTEN and NOTIFY, on a connection of its own.
 *
 * Rung after the commit, never inside it, where PostgreSQL would let one transaction commit at a time. While a ring is
 * under way, further ones become one more. A ring carries no news but whose it is; one that is lost costs its hearers a
 * poll interval.
 * Connection lost: opened again at growing intervals, and rung once, since something may have been missed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { PostgresConnection } from './connection.ts'

const CHANNEL = 'martlet_commits'
const RETRY_FIRST_MS = 50

interface OtherNodesNeeds {
  readonly connect: () => Promise<PostgresConnection>
  /** Names this process among the nodes. */
  readonly node: string
  readonly retryMaxMs: number
  readonly log: Log
  readonly metrics: Metrics
}

export class OtherNodes {
  readonly #needs: OtherNodesNeeds
  readonly #stop = new AbortController()
  #connection: PostgresConnection | undefined
  #listener: () => void = () => undefined
  #isTelling = false
  #isToldAgain = false

  constructor(needs: OtherNodesNeeds) {
    this.#needs = needs
  }

  /** @throws what the first connection throws */
  async start(): Promise<void> {
    await this.#listen()
  }

  onCommit(listener: () => void): void {
    this.#listener = listener
  }

  tell(): void {
    if (this.#isTelling) this.#isToldAgain = true
    else void this.#tell()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#connection?.close()
  }

  /** Never rejects. */
  async #tell(): Promise<void> {
    this.#isTelling = true
    do {
      this.#isToldAgain = false
      // Lost with its connection: they look by themselves after their poll interval.
      await this.#connection?.query(`select pg_notify('${CHANNEL}', $1)`, [this.#needs.node]).catch(() => undefined)
    } while (this.#isToldAgain)
    this.#isTelling = false
  }

  async #listen(): Promise<void> {
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
  }

  /** Never rejects. */
  async #listenAgain(): Promise<void> {
    const { signal } = this.#stop
    if (signal.aborted || !this.#connection) return
    this.#connection = undefined
    const { log, metrics, retryMaxMs } = this.#needs
    for (let pauseMs = RETRY_FIRST_MS; !signal.aborted; pauseMs = Math.min(2 * pauseMs, retryMaxMs)) {
      try {
        await this.#listen()
        this.#listener()
        return
      } catch (error) {
        metrics.loopErrors.inc({ loop: 'bell' })
        log.warn({ err: error }, 'commits of other servers cannot be heard')
      }
      await delay(pauseMs, undefined, { signal }).catch(() => undefined) // aborted: the loop ends
    }
  }
}
