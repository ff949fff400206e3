/**
 * A proxy between a node and PostgreSQL that a test can cut at the worst instant: around the COMMIT of the writing
 * connection, which it recognizes by its message (a Query with the text "commit").
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * before: PostgreSQL never gets the COMMIT, but notices that its client has disconnected.
 * at: PostgreSQL gets both, in this order.
 * after: PostgreSQL has replied, but the reply does not arrive.
 * silently: PostgreSQL notices nothing, neither the COMMIT nor the disconnected client.
 */
export type Cut = 'before' | 'at' | 'after' | 'silently'

export class PostgresProxy implements AsyncDisposable {
  /** The URL of the database through this proxy. */
  readonly url: string
  /** The number of attempted connections, including refused ones. */
  attempts = 0
  readonly #server: Server
  readonly #target: { readonly host: string; readonly port: number }
  readonly #open = new Set<Socket>()
  #cut: Cut | undefined
  #text = ''
  #whenCut: (() => void) | undefined
  #isDown = false
  #answersNew = true

  private constructor(server: Server, url: URL) {
    this.#server = server
    this.#target = { host: url.hostname, port: Number(url.port || 5432) }
    const through = new URL(url)
    through.searchParams.delete('host') // the folder of a Unix socket
    through.host = `127.0.0.1:${(server.address() as { port: number }).port}`
    this.url = through.href
    server.on('connection', (client) => this.#join(client))
  }

  static async open(databaseUrl: string): Promise<PostgresProxy> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new PostgresProxy(server, new URL(databaseUrl))
  }

  /**
   * Cuts the next commit, once, and resolves then. With a `text`, only that of a transaction whose statements contain it: the
   * sweeps of a server commit at any time. The proxy keeps working afterwards, unless `thenDown` is set.
   */
  cutNextCommit(cut: Cut, { thenDown = false, text = '' } = {}): Promise<void> {
    this.#cut = cut
    this.#text = text
    return new Promise((resolve) => {
      this.#whenCut = () => {
        if (thenDown) this.down()
        resolve()
      }
    })
  }

  /** Closes every connection and refuses new ones until `up`. */
  down(): void {
    this.#isDown = true
    for (const socket of this.#open) socket.destroy()
  }

  up(): void {
    this.#isDown = false
  }

  /** Accepts further connections and never answers them, as a server that is overloaded. Open ones work. */
  ignoreNew(): void {
    this.#answersNew = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #ignore(client: Socket): void {
    this.#open.add(client)
    client.on('error', () => undefined)
    client.on('close', () => this.#open.delete(client))
  }

  #join(client: Socket): void {
    this.attempts += 1
    if (this.#isDown) return void client.destroy()
    if (!this.#answersNew) return void this.#ignore(client)
    const server = connect(this.#target)
    let isSilent = false
    let isAnswerKept = false
    let isWanted = false
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
      isWanted ||= this.#cut !== undefined && bytes.includes(this.#text)
      const cut = isCommit(bytes) && isWanted ? this.#cut : undefined
      if (isCommit(bytes)) isWanted = false
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
      if (!bytes.includes('COMMIT\0')) return // the reply to a statement that was sent with it
      client.destroy()
      this.#whenCut?.()
    })
  }
}

/** Recognises a simple query (PostgreSQL manual, "Message Formats"): "Q", length, text, NUL. */
function isCommit(bytes: Buffer): boolean {
  return bytes.includes('commit\0')
}
