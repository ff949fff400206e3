/**
 * A wire between a node and PostgreSQL that a test can cut at the worst instant: around the COMMIT of the writing
 * connection, which it recognises in what passes through (a Query message with the text "commit").
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * before: the server never hears of the commit, and that its client is gone.
 * at: it hears of both, in this order.
 * after: it has answered, but the answer does not arrive.
 * silently: it hears nothing at all, neither of the commit nor that its client is gone.
 */
export type Cut = 'before' | 'at' | 'after' | 'silently'

export class PostgresProxy implements AsyncDisposable {
  /** Of the database, through this wire. */
  readonly url: string
  /** Connections that were tried, refused ones included. */
  attempts = 0
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #open = new Set<Socket>()
  #cut: Cut | undefined
  #whenCut: (() => void) | undefined
  #isDown = false

  private constructor(server: Server, url: URL) {
    this.#server = server
    this.#target = { host: url.hostname, port: Number(url.port || 5432) }
    const through = new URL(url)
    through.host = `127.0.0.1:${(server.address() as { port: number }).port}`
    this.url = through.href
    server.on('connection', (client) => this.#join(client))
  }

  static async open(databaseUrl: string): Promise<PostgresProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new PostgresProxy(server, new URL(databaseUrl))
  }

  /** At the next commit, once. Resolves when it has happened; from then on the wire works again unless it is `down`. */
  cutNextCommit(cut: Cut, { thenDown = false } = {}): Promise<void> {
    this.#cut = cut
    return new Promise((resolve) => {
      this.#whenCut = () => {
        if (thenDown) this.down()
        resolve()
      }
    })
  }

  /** Ends every connection and refuses new ones, until `up`. */
  down(): void {
    this.#isDown = true
    for (const socket of this.#open) socket.destroy()
  }

  up(): void {
    this.#isDown = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(client: Socket): void {
    this.attempts += 1
    if (this.#isDown) return void client.destroy()
    const server = connect(this.#target)
    let isSilent = false
    let isAnswerKept = false
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#open.add(socket)
      socket.on('error', () => undefined) // "close" follows
      socket.on('close', () => {
        this.#open.delete(socket)
        if (!isSilent) other.destroy()
      })
    }

    client.on('data', (bytes) => {
      const cut = isCommit(bytes) ? this.#cut : undefined
      if (cut !== undefined) this.#cut = undefined
      switch (cut) {
        case undefined:
          return void server.write(bytes)
        case 'before':
          client.destroy()
          return this.#whenCut?.()
        case 'silently':
          isSilent = true
          client.destroy()
          return this.#whenCut?.()
        case 'at':
          return void server.write(bytes, () => {
            client.destroy()
            server.end()
            this.#whenCut?.()
          })
        case 'after':
          isAnswerKept = true
          return void server.write(bytes)
      }
    })
    server.on('data', (bytes) => {
      if (!isAnswerKept) return void client.write(bytes)
      client.destroy()
      this.#whenCut?.()
    })
  }
}

/** Simple query (PostgreSQL manual, "Message Formats"): "Q", length, text, NUL. */
function isCommit(bytes: Buffer): boolean {
  return bytes.includes('commit\0')
}
